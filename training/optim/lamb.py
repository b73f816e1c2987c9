"""LAMB: Adam's update of every layer, scaled to the norm of its weights.

    m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²
    r = m̂ / (√v̂ + ε) + wd w,  w ← w − lr · ‖w‖ / ‖r‖ · r

m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) at the t-th update of a tensor; the
ratio is 1 where either norm is 0.
Source: You et al. 2020, arXiv 1904.00962, Algorithm 2, with φ the identity.
Biases and norms are skipped: ratio 1 (the groups with `adapt: False`), which
leaves Adam with decoupled decay.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

EPSILON = 1e-6


class Lamb(torch.optim.Optimizer):
    """Adam with a trust ratio a tensor; groups take lr, betas, weight_decay, adapt."""

    def __init__(
        self, params: Iterable[Any], lr: float, betas: tuple[float, float], weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "adapt": True})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._step_one(weight, weight.grad, group)

    def _step_one(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        state = self.state[weight]
        if not state:
            state.update(updates=0, mean=torch.zeros_like(weight), square=torch.zeros_like(weight))
        state["updates"] += 1
        mean = state["mean"].lerp_(gradient, 1 - beta1) / (1 - beta1 ** state["updates"])
        square = state["square"].lerp_(gradient.square(), 1 - beta2) / (1 - beta2 ** state["updates"])
        update = mean / (square.sqrt() + EPSILON) + group["weight_decay"] * weight
        trust = trust_ratio(weight, update) if group["adapt"] else 1.0
        weight.sub_(update * trust, alpha=group["lr"])


def trust_ratio(weight: Tensor, update: Tensor) -> Tensor:
    """Return ‖w‖ / ‖r‖, a scalar; 1 where a norm is 0."""
    w, r = torch.linalg.vector_norm(weight), torch.linalg.vector_norm(update)
    return torch.where((w > 0) & (r > 0), w / r, 1.0)
