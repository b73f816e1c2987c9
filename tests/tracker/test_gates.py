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


@pytest.mark.parametrize(
    "gate_logit, stop",
    [(1e4, True), (-1e4, False), (float("inf"), True), (float("-inf"), False), (float("nan"), False)],
)
def test_a_saturated_gate_is_no_fault(gate_logit, stop):
    output = answer()
    output.gate[:] = gate_logit
    assert stops(output, 0.5) is stop
    assert stops(output, 0.0), "an exit that every frame takes does not ask the gate"
