import numpy as np
import pytest

from training.calibration import bootstrap
from training.calibration.bootstrap import holds, lower_bound


def gains(**datasets: list[float]) -> dict[tuple[str, str], float]:
    return {(name, str(i)): value for name, values in datasets.items() for i, value in enumerate(values)}


def test_equal_gains_leave_no_doubt():
    assert lower_bound(gains(a=[0.02, 0.02], b=[0.02])) == pytest.approx(0.02)


def test_the_bound_is_the_textbooks_for_one_data_set():
    """The mean of n draws is nearly normal: bound = mean − 1.96 · deviation / √n."""
    values = np.random.default_rng(5).normal(0.01, 0.05, 60)
    expected = values.mean() - 1.96 * values.std() / np.sqrt(60)
    assert lower_bound(gains(a=list(values))) == pytest.approx(expected, abs=0.002)


def test_the_bound_is_a_brute_force_over_every_draw(monkeypatch):
    """Three sources of two data sets: all 27 draws with replacement, by hand."""
    monkeypatch.setattr(bootstrap, "LEVEL", 0.8)  # the .4 quantile
    monkeypatch.setattr(bootstrap, "DRAWS", 200_000)
    values = {("a", "0"): 0.0, ("a", "1"): 0.3, ("b", "0"): 1.0}
    means = []
    for i in values:
        for j in values:
            for k in values:
                groups = {d: [values[s] for s in (i, j, k) if s[0] == d] for d in "ab"}
                means.append(np.mean([np.mean(g) for g in groups.values() if g]))
    assert lower_bound(values) == pytest.approx(np.quantile(means, 0.4), abs=0.01)


@pytest.mark.parametrize(
    "found, expected",
    [
        pytest.param(gains(a=[0.02] * 5, b=[0.03] * 5, c=[0.01] * 5), True, id="everywhere"),
        pytest.param(gains(a=[0.3] * 5, b=[-0.01] * 5, c=[-0.01] * 5), False, id="one data set alone"),
        pytest.param(gains(a=[0.1, -0.09, 0.08, -0.08], b=[0.09, -0.1, 0.07]), False, id="by chance"),
        pytest.param(gains(a=[0.0] * 5, b=[0.0] * 5), False, id="no gain"),
        pytest.param(gains(a=[0.02, 0.03, 0.02]), True, id="a single data set"),
    ],
)
def test_a_gain_holds_where_no_data_set_carries_it_alone(found, expected):
    assert holds(found) is expected
