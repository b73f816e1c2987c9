import numpy as np
import pytest

from training.calibration.thresholds import (
    EAGER,
    RATIOS,
    Row,
    candidates,
    cheapest_within,
    fixed_depth,
    measured_row,
    pareto,
    shares,
    thresholds,
)


@pytest.mark.parametrize(
    "exits, ratio, expected",
    [
        pytest.param((0, 1, 2), 1.0, [0.25] * 4, id="even"),
        pytest.param((0, 1, 2), 0.5, [8 / 15, 4 / 15, 2 / 15, 1 / 15], id="each half of the one before"),
        pytest.param((0,), 2.0, [1 / 3, 0, 0, 2 / 3], id="two exits left out"),
        pytest.param((1, 2), 1.0, [0, 1 / 3, 1 / 3, 1 / 3], id="the first left out"),
    ],
)
def test_shares(exits, ratio, expected):
    assert shares(exits, 4, ratio) == pytest.approx(expected)


def test_an_exit_left_out_is_never_taken_and_the_others_keep_their_shares():
    gates = np.random.default_rng(0).beta(2, 2, (20_000, 3))
    tau = thresholds(gates, shares((0, 2), 4, 1.0))
    assert tau[1] == 1.0
    depths = [next((k for k in range(3) if g[k] > tau[k]), 3) for g in gates]
    assert np.bincount(depths, minlength=4) / len(gates) == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3], abs=0.005)


def test_fixed_depths():
    assert [fixed_depth(k, 4) for k in range(1, 5)] == [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)]
    assert fixed_depth(1, 1) == ()


def test_candidates_are_every_set_of_exits_by_score_alone_and_at_every_ratio():
    found = candidates(np.random.default_rng(0).random((500, 3)))
    sets = {(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)}
    used = [tuple(k for k, t in enumerate(tau) if t < 1) for tau in found]
    assert set(used[:7]) == sets and {t for tau in found[:7] for t in tau} == {EAGER, 1.0}
    assert len(used[7:]) == 7 * len(RATIOS) and set(used[7:]) == sets


def test_a_measured_row_treats_data_sets_alike(a_pass):
    """One: depths 1 1 2 4; two: all 4. AUC .4 and .8."""
    passes = [
        a_pass(("one", "a"), 0.4, [(0.9, 0.9)] * 4, depths=[1, 1, 2, 4]),
        a_pass(("two", "a"), 0.8, [(0.9, 0.9)] * 2, depths=[4, 4]),
    ]
    assert measured_row((0.5,) * 3, passes, 4) == Row((0.5,) * 3, (0.25, 0.125, 0.0, 0.625), 0.6)


@pytest.mark.parametrize("ratio", [0.2, 0.5, 1.0, 3.0])
def test_thresholds_give_the_wanted_shares_by_brute_force(ratio):
    gates = np.random.default_rng(0).beta(2, 2, (20_000, 3))
    tau = thresholds(gates, shares((0, 1, 2), 4, ratio))
    depths = [next((k for k in range(3) if g[k] > tau[k]), 3) for g in gates]
    assert np.bincount(depths, minlength=4) / len(gates) == pytest.approx(
        shares((0, 1, 2), 4, ratio), abs=0.005
    )


def test_thresholds_of_correlated_gates_too():
    """Gates that mostly agree: the quantile of a later one is taken of the frames that are left."""
    rng = np.random.default_rng(1)
    base = rng.random((20_000, 1))
    gates = np.clip(base + rng.normal(0, 0.05, (20_000, 3)), 0, 1)
    tau = thresholds(gates, np.array([0.5, 0.2, 0.2, 0.1]))
    depths = [next((k for k in range(3) if g[k] > tau[k]), 3) for g in gates]
    assert np.bincount(depths, minlength=4) / len(gates) == pytest.approx([0.5, 0.2, 0.2, 0.1], abs=0.005)


def row(accuracy: float, *share: float) -> Row:
    return Row((0.5, 0.5, 0.5), share, accuracy)


CHEAP, MIDDLE, WORSE, FULL = (
    row(0.50, 1, 0, 0, 0),
    row(0.58, 0.5, 0.5, 0, 0),
    row(0.57, 0, 0.5, 0.5, 0),
    row(0.584, 0, 0, 0, 1),
)


def test_the_cost_of_a_row_is_its_mean_time(manifest):
    """Stages of 1, 1, 2, 4 ms."""
    assert CHEAP.cost(manifest) == pytest.approx(0.001)
    assert FULL.cost(manifest) == pytest.approx(0.008)
    assert MIDDLE.cost(manifest) == pytest.approx(0.0015)


def test_rows_that_a_cheaper_one_beats_are_dropped(manifest):
    assert pareto([FULL, WORSE, CHEAP, MIDDLE], manifest) == [CHEAP, MIDDLE, FULL]


def test_a_full_depth_that_does_not_pay_is_dropped_too(manifest):
    assert pareto([row(0.58, 0, 0, 0, 1), MIDDLE, CHEAP], manifest) == [CHEAP, MIDDLE]


def test_the_default_is_the_cheapest_within_half_a_point(manifest):
    table = [CHEAP, MIDDLE, FULL]
    assert cheapest_within(table, FULL.accuracy, manifest) == MIDDLE
    assert cheapest_within(table, 0.588, manifest) == FULL
