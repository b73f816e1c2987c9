import pytest

from training.recipe.errors import RecipeError
from training.recipe.schema import Decay, Phase, Scaling
from training.schedule.plan import StepPlan, Update, make_plan, noise_of, pieces, updates


def phase(**changes):
    return Phase("exits", **({"samples": 1_000, "batch": 10, "lr": 1.0} | changes))


@pytest.mark.parametrize(
    "decay, rates",
    [
        pytest.param(Decay("constant"), [1, 1, 1, 1, 1], id="constant"),
        pytest.param(Decay("step", factor=0.1, at_samples=(250, 500)), [1, 0.1, 0.01, 0.01, 0.01], id="step"),
        pytest.param(
            Decay("exponential", factor=0.5, every_samples=250),
            [1, 0.5, 0.25, 0.125, 0.0625],
            id="exponential",
        ),
        pytest.param(Decay("polynomial", power=1.0), [1, 0.75, 0.5, 0.25, 0], id="linear"),
        pytest.param(Decay("polynomial", power=2.0), [1, 0.5625, 0.25, 0.0625, 0], id="square"),
        pytest.param(
            Decay("polynomial", power=2.0, end=0.2), [1, 0.65, 0.4, 0.25, 0.2], id="square, to a fifth"
        ),
        pytest.param(Decay("cosine"), [1, 0.8535534, 0.5, 0.1464466, 0], id="cosine"),
        pytest.param(Decay("cosine", end=0.5), [1, 0.9267767, 0.75, 0.5732233, 0.5], id="cosine, to half"),
    ],
)
def test_decays_at_the_quarters(decay, rates):
    plan = make_plan(phase(decay=decay), 100)
    assert [plan(seen).lr for seen in (0, 250, 500, 750, 1_000)] == pytest.approx(rates, abs=1e-7)


@pytest.mark.parametrize(
    "seen, rate",
    [
        pytest.param(0, 0.2, id="first update of a warm-up of four"),
        pytest.param(30, 0.8, id="last update of the warm-up"),
        pytest.param(40, 1.0, id="peak"),
        pytest.param(70, 0.5, id="half of the cosine"),
        pytest.param(100, 0.0, id="end"),
    ],
)
def test_a_warm_up_comes_before_the_decay(seen, rate):
    plan = make_plan(phase(samples=100, warmup_samples=40), 100)
    assert plan(seen) == StepPlan(pytest.approx(rate), 10, 0.9)


def test_an_update_steps_when_most_of_its_samples_lie_behind_the_step():
    plan = make_plan(phase(decay=Decay("step", factor=0.1, at_samples=(105,))), 100)
    assert [plan(seen).lr for seen in (90, 99, 100, 110)] == pytest.approx([1, 1, 0.1, 0.1])


def test_updates_follow_one_another_to_the_end_and_the_last_is_short():
    plan = make_plan(
        phase(samples=65, growth=True, max_batch=40, decay=Decay("step", factor=0.5, at_samples=(20, 40))),
        100,
    )
    assert [(u.start, u.count) for u in updates(plan)] == [(0, 10), (10, 10), (20, 20), (40, 25)]
    assert [u.start for u in updates(plan, 20)] == [20, 40]


@pytest.mark.parametrize(
    "count, micro, processes, rank, expected",
    [
        pytest.param(24, None, 1, 0, [(100, 24)], id="one process holds all of it"),
        pytest.param(24, 8, 1, 0, [(100, 8), (108, 8), (116, 8)], id="accumulated"),
        pytest.param(24, 6, 2, 1, [(112, 6), (118, 6)], id="second of two processes"),
        pytest.param(9, 8, 1, 0, [(100, 4), (104, 5)], id="evenly, not eight and one"),
        pytest.param(7, 2, 2, 0, [(100, 1), (101, 2)], id="a short update, first process"),
        pytest.param(7, 2, 2, 1, [(103, 2), (105, 2)], id="a short update, second process"),
        pytest.param(1, None, 2, 0, [(100, 0)], id="less than one each"),
        pytest.param(1, None, 2, 1, [(100, 1)], id="less than one each, the other"),
    ],
)
def test_pieces_divide_an_update(count, micro, processes, rank, expected):
    update = Update(100, count, StepPlan(1.0, 24, 0.9))
    assert pieces(update, micro, processes, rank) == expected


def test_the_batch_is_processes_times_micro_batch_times_accumulation():
    assert make_plan(phase(batch=48, micro_batch=8), 100, processes=3).unit == 24
    with pytest.raises(RecipeError, match=r"batch got 50, expected a multiple of 24 .* for example 48"):
        make_plan(phase(batch=50, micro_batch=8), 100, processes=3)


@pytest.mark.parametrize(
    "changes", [{"samples": 61}, {"micro_batch": 1}], ids=["last update of one", "micro-batches of one"]
)
@pytest.mark.parametrize("name", ["gates", "classify"])
def test_gates_and_classifiers_are_never_given_a_single_sample(name, changes):
    says = rf"phases\.{name}: the update at sample \d+ holds a single sample"
    with pytest.raises(RecipeError, match=says):
        make_plan(Phase(name, **({"samples": 60, "batch": 10, "lr": 1.0} | changes)), 100)


@pytest.mark.parametrize("norm_group, legal", [(1, False), (2, False), (4, True)])
def test_gates_count_the_samples_of_their_norms_group(norm_group, legal):
    """A last update of two among four processes: none, one, none, one."""
    gates = Phase("gates", samples=42, batch=8, lr=1.0)
    if legal:
        assert make_plan(gates, 100, processes=4, norm_group=norm_group).unit == 4
        return
    with pytest.raises(RecipeError, match="update at sample 40 holds a single sample"):
        make_plan(gates, 100, processes=4, norm_group=norm_group)


@pytest.mark.parametrize("count", [1, 2, 7, 13])
def test_all_processes_have_equally_many_pieces_and_every_sample_is_in_one(count):
    update = Update(100, count, StepPlan(1.0, 24, 0.9))
    ranks = [pieces(update, 2, 3, rank) for rank in range(3)]
    assert len({len(rank) for rank in ranks}) == 1
    samples = [s for rank in ranks for start, n in rank for s in range(start, start + n)]
    assert samples == list(range(100, 100 + count)) and all(n <= 2 for rank in ranks for _, n in rank)


def test_a_plan_does_not_depend_on_the_processes():
    values = {"batch": 48, "growth": True, "max_batch": 480, "micro_batch": 4}
    one, four = (make_plan(phase(**values), 100, processes=p) for p in (1, 4))
    assert all(
        one(s).lr / one(s).batch == pytest.approx(four(s).lr / four(s).batch) for s in range(0, 999, 9)
    )


def test_legw_sets_the_start_and_growth_goes_on_from_there():
    plan = make_plan(
        phase(
            warmup_samples=20,
            batch=40,
            lr=0.5,
            scaling=Scaling("legw", base_batch=10),
            growth=True,
            max_batch=200,
            decay=Decay("step", factor=0.5, at_samples=(500,)),
        ),
        100,
    )
    assert plan.warmup_samples == 80
    assert plan(80) == StepPlan(pytest.approx(1.0), 40, 0.9)
    assert plan(500) == StepPlan(pytest.approx(1.0), 80, 0.9)


def test_noise_scale_is_not_defined_where_layers_have_rates_of_their_own():
    step = StepPlan(0.1, 128, 0.9)
    assert noise_of(step, "sgd", 50_000) == pytest.approx(389.625)
    assert all(noise_of(step, name, 50_000) is None for name in ("lars", "lars_apply", "lamb"))
