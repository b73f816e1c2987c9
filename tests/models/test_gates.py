import pytest
import torch

from models.gates import STATISTICS, Gate, stick_breaking


@pytest.mark.parametrize(
    "stop, shares",
    [
        pytest.param([0.5, 0.5, 0.5], [0.5, 0.25, 0.125, 0.125], id="halves"),
        pytest.param([0.2, 0.25, 0.5], [0.2, 0.2, 0.3, 0.3], id="by hand"),
        pytest.param([1.0, 0.3, 0.9], [1.0, 0.0, 0.0, 0.0], id="saturated at once"),
        pytest.param([0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], id="never"),
    ],
)
def test_stick_breaking(stop, shares):
    assert torch.allclose(stick_breaking(torch.tensor([stop])), torch.tensor([shares]))


def test_shares_equal_the_published_recursion():
    stop = torch.rand(64, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected: list[torch.Tensor] = []
    for k in range(3):
        expected.append(stop[:, k] * (1 - sum(expected, torch.zeros(64, dtype=torch.float64))))
    expected.append(1 - sum(expected))
    assert torch.allclose(stick_breaking(stop), torch.stack(expected, 1))


def test_a_gate_gives_one_logit_and_learns_from_it():
    gate = Gate()
    logit = gate(torch.randn(5, STATISTICS))
    assert logit.shape == (5, 1)
    logit.sum().backward()
    assert all(p.grad is not None for p in gate.parameters())
