import numpy as np
import pytest

from training.calibrate import Row, cheapest_within, pareto, shares, thresholds

SECONDS = (1.0, 1.0, 2.0, 4.0)


@pytest.mark.parametrize(
    "ratio, expected",
    [
        pytest.param(1.0, [0.25] * 4, id="even"),
        pytest.param(0.5, [8 / 15, 4 / 15, 2 / 15, 1 / 15], id="each half of the one before"),
        pytest.param(2.0, [1 / 15, 2 / 15, 4 / 15, 8 / 15], id="each twice the one before"),
    ],
)
def test_shares(ratio, expected):
    assert shares(4, ratio) == pytest.approx(expected)


@pytest.mark.parametrize("ratio", [0.2, 0.5, 1.0, 3.0])
def test_thresholds_give_the_wanted_shares_by_brute_force(ratio):
    gates = np.random.default_rng(0).beta(2, 2, (20_000, 3))
    tau = thresholds(gates, shares(4, ratio))
    depths = [next((k for k in range(3) if g[k] > tau[k]), 3) for g in gates]
    assert np.bincount(depths, minlength=4) / len(gates) == pytest.approx(shares(4, ratio), abs=0.005)


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


def test_the_cost_of_a_row_is_its_mean_time():
    assert CHEAP.cost(SECONDS) == 1
    assert FULL.cost(SECONDS) == 8
    assert MIDDLE.cost(SECONDS) == 1.5


def test_rows_that_a_cheaper_one_beats_are_dropped():
    assert pareto([FULL, WORSE, CHEAP, MIDDLE], SECONDS) == [CHEAP, MIDDLE, FULL]


def test_a_full_depth_that_does_not_pay_is_dropped_too():
    assert pareto([row(0.58, 0, 0, 0, 1), MIDDLE, CHEAP], SECONDS) == [CHEAP, MIDDLE]


def test_the_default_is_the_cheapest_within_half_a_point():
    table = [CHEAP, MIDDLE, FULL]
    assert cheapest_within(table, FULL.accuracy, SECONDS) == MIDDLE
    assert cheapest_within(table, 0.588, SECONDS) == FULL
