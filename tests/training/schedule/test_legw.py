import pytest

from training.recipe.errors import RecipeError
from training.recipe.schema import Decay, Phase, Scaling
from training.schedule.legw import LegwBase, legw
from training.schedule.plan import make_plan, updates
from training.schedule.scaling import scale

IMAGENET = 1_281_167
REFERENCE = LegwBase(batch=512, lr=4.0, warmup=10 / 64)


@pytest.mark.parametrize(
    "batch, peak_lr, warmup_epochs",
    [
        pytest.param(256, 2.828427, 0.078125, id="half the reference"),
        pytest.param(512, 4.0, 0.15625, id="reference"),
        pytest.param(1_024, 5.656854, 0.3125, id="k=2"),
        pytest.param(2_048, 8.0, 0.625, id="k=4"),
        pytest.param(4_096, 11.313708, 1.25, id="k=8"),
        pytest.param(8_192, 16.0, 2.5, id="k=16"),
        pytest.param(16_384, 22.627417, 5.0, id="k=32"),
        pytest.param(32_768, 32.0, 10.0, id="k=64, published limit"),
    ],
)
def test_legw_matches_the_imagenet_table(batch, peak_lr, warmup_epochs):
    scaled = legw(REFERENCE, batch, total=90)
    assert scaled.peak_lr == pytest.approx(peak_lr, rel=1e-6)
    assert scaled.warmup == pytest.approx(warmup_epochs)


def test_a_warm_up_longer_than_the_training_is_refused_with_the_largest_batch():
    # 512 · 90 / 0.15625 = 294,912
    assert legw(REFERENCE, 294_912, total=90).warmup == pytest.approx(90)
    with pytest.raises(RecipeError, match="at most 294912"):
        legw(REFERENCE, 294_913, total=90)


@pytest.mark.parametrize("batch", [512, 1_024, 4_096, 32_768])
def test_warm_up_in_updates_does_not_depend_on_the_batch(batch):
    warmup = round(IMAGENET * 10 / 64)
    phase = Phase(
        "exits",
        samples=90 * IMAGENET,
        batch=batch,
        lr=4.0,
        warmup_samples=warmup,
        decay=Decay("polynomial", power=2.0),
        scaling=Scaling("legw", base_batch=512),
    )
    plan = make_plan(phase, IMAGENET)
    assert plan.lr == pytest.approx(4 * (batch / 512) ** 0.5)
    first = next(i for i, update in enumerate(updates(plan)) if update.start >= plan.warmup_samples)
    assert first == 391  # 0.15625 · 1,281,167 / 512 = 390.98


@pytest.mark.parametrize(
    "rule, lr, warmup",
    [
        pytest.param("legw", 0.4, 1_600, id="sqrt of 16, warm-up times 16"),
        pytest.param("sqrt", 0.4, 100, id="sqrt, fixed warm-up"),
        pytest.param("linear", 1.6, 100, id="linear, fixed warm-up"),
        pytest.param("none", 0.1, 100, id="nothing moves"),
    ],
)
def test_rules_at_sixteen_times_the_batch(rule, lr, warmup):
    scaled = scale(Scaling(rule, base_batch=32), 0.1, 100, batch=512, total=10_000)
    assert (scaled.peak_lr, scaled.warmup) == (pytest.approx(lr), pytest.approx(warmup))
