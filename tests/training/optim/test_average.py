import pytest
from torch import nn

from training.optim.average import update_average


def averaged(values, decay):
    """What is left of `values` of a moment, one an update."""
    average, network = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    for done, value in enumerate(values, 1):
        network.running_var.fill_(value)
        network.num_batches_tracked.fill_(done)
        update_average(average, network, decay, done)
    assert average.num_batches_tracked == len(values)
    return float(average.running_var)


def test_the_first_updates_are_averaged_over_fewer():
    # 1 · 2/11 + 3 · 9/11, then · 3/12 + 5 · 9/12
    assert averaged([3.0, 5.0], 0.998) == pytest.approx((29 / 11) * 0.25 + 5 * 0.75)
    assert averaged([3.0, 5.0], 0.1) == pytest.approx((1 * 0.1 + 3 * 0.9) * 0.1 + 5 * 0.9)


def test_what_a_network_began_with_is_forgotten():
    """A running mean over 200 updates would leave 3.5 of these hundreds."""
    assert averaged([100.0] * 5 + [1.0] * 195, 0.998) == pytest.approx(1.0, abs=1e-3)


def test_a_long_run_remembers_as_long_as_it_is_told():
    assert averaged([0.0] * 9000 + [1.0] * 500, 0.998) == pytest.approx(1 - 0.998**500, abs=1e-3)
