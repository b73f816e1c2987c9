import copy

import numpy as np
import pytest
import torch
from torch import nn

from training.optim.lamb import Lamb, trust_ratio

RATE, BETAS, DECAY = 0.1, (0.9, 0.99), 0.05
STEPS = 3
START = {"adapted": [3.0, -4.0, 0.5], "zero": [0.0, 0.0, 0.0], "skipped": [1.0, -2.0, 0.25]}


def gradients(name: str) -> np.ndarray:
    """STEPS × 3, float64; every tensor has its own."""
    return np.random.default_rng(list(START).index(name)).normal(size=(STEPS, 3))


def by_hand(name: str) -> np.ndarray:
    """Algorithm 2 with its moments written out as sums over all gradients so far."""
    w, g = np.array(START[name]), gradients(name)
    decay = 0.0 if name == "skipped" else DECAY
    for t in range(1, STEPS + 1):
        m, v = (
            sum((1 - beta) * beta ** (t - i) * g[i - 1] ** power for i in range(1, t + 1)) / (1 - beta**t)
            for beta, power in zip(BETAS, (1, 2), strict=True)
        )
        r = m / (np.sqrt(v) + 1e-6) + decay * w
        norm = np.sqrt((w**2).sum())
        trust = 1.0 if name == "skipped" or norm == 0 else norm / np.sqrt((r**2).sum())
        w = w - RATE * trust * r
    return w


def begun() -> tuple[dict[str, nn.Parameter], Lamb]:
    weights = {name: nn.Parameter(torch.tensor(w, dtype=torch.float64)) for name, w in START.items()}
    adapted = {"params": [weights["adapted"], weights["zero"]], "weight_decay": DECAY}
    return weights, Lamb([adapted, {"params": [weights["skipped"]], "adapt": False}], RATE, BETAS)


def advance(weights: dict[str, nn.Parameter], optimiser: Lamb, steps: range) -> None:
    for t in steps:
        for name, weight in weights.items():
            weight.grad = torch.from_numpy(gradients(name)[t])
        optimiser.step()


@pytest.mark.parametrize("name", START)
def test_three_steps_equal_the_formula(name):
    weights, optimiser = begun()
    advance(weights, optimiser, range(STEPS))
    assert weights[name].detach().numpy() == pytest.approx(by_hand(name), rel=1e-12)


def test_skipped_tensors_move_as_under_adamw():
    weights, optimiser = begun()
    advance(weights, optimiser, range(STEPS))
    w = nn.Parameter(torch.tensor(START["skipped"], dtype=torch.float64))
    adamw = torch.optim.AdamW([w], RATE, BETAS, eps=1e-6, weight_decay=0.0)
    for gradient in gradients("skipped"):
        w.grad = torch.from_numpy(gradient)
        adamw.step()
    assert torch.allclose(weights["skipped"], w, rtol=0, atol=1e-12)


def test_a_loaded_state_goes_on_bit_for_bit():
    whole, optimiser = begun()
    advance(whole, optimiser, range(STEPS))
    weights, first = begun()
    advance(weights, first, range(2))
    resumed, second = begun()
    for name, weight in weights.items():
        resumed[name].data.copy_(weight.data)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    advance(resumed, second, range(2, STEPS))
    assert all(torch.equal(whole[name], resumed[name]) for name in START)


@pytest.mark.parametrize(
    "weight, update, trust",
    [
        pytest.param([3.0, 4.0], [0.6, 0.8], 5.0, id="5 / 1"),
        pytest.param([0.0, 0.0], [0.6, 0.8], 1.0, id="weights of zero"),
        pytest.param([3.0, 4.0], [0.0, 0.0], 1.0, id="no update"),
        pytest.param([0.0, 0.0], [0.0, 0.0], 1.0, id="neither"),
    ],
)
def test_trust_ratio(weight, update, trust):
    assert trust_ratio(torch.tensor(weight), torch.tensor(update)).item() == pytest.approx(trust)


def test_a_tensor_without_gradient_stays():
    weights, optimiser = begun()
    weights["adapted"].grad = torch.ones(3, dtype=torch.float64)
    optimiser.step()
    assert weights["skipped"].tolist() == START["skipped"] and weights["adapted"].tolist() != START["adapted"]
