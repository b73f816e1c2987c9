import pytest

from tests.fakes import answer
from tracker.gates import stop_probability, stops


def test_probability_is_the_sigmoid_of_the_logit():
    assert stop_probability(answer(gate=0.7)) == pytest.approx(0.7, abs=1e-6)


@pytest.mark.parametrize(
    "gate, tau, stop",
    [
        pytest.param(0.7, 0.6, True, id="above"),
        pytest.param(0.7, 0.8, False, id="below"),
        pytest.param(0.999, 1.0, False, id="never at one"),
        pytest.param(0.001, 0.0, True, id="always at zero"),
        pytest.param(None, 1.0, True, id="nothing deeper"),
    ],
)
def test_stops(gate, tau, stop):
    assert stops(answer(gate=gate), tau) is stop
