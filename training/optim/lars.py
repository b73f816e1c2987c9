"""LARS: every layer's step in proportion to the norm of its weights.

trust = 0.001 · ‖w‖ / (‖g‖ + wd · ‖w‖), and 1 where either norm is 0.
Source: You et al. 2017, arXiv 1708.03888. Biases and norms are skipped: trust 1
(the groups with `adapt: False`). Two published forms differ:

ours ("buffer", as in timm's Lars)
    v ← m v + trust (g + wd w),  w ← w − lr v
"apply" (tf.contrib's LARSOptimizer, used by Ying et al. 2018, arXiv 1811.06992)
    v ← m v + g,  w ← w − lr · trust · v

The first remembers each step at the trust of its time, the second applies
today's trust to all of them. The paper's Algorithm 1 has the rate inside the
buffer as well (v ← m v + lr · trust (g + wd w)); ours leaves it outside, as torch's
SGD does, and equals it while the rate stays as it is. The second's g holds wd·w already, since its
users put the L2 term in the loss: here the optimiser adds it before it takes norms.
"""

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor

TRUST_COEFFICIENT = 0.001

Form = Literal["buffer", "apply"]


def trust_ratio(weight: Tensor, gradient: Tensor, weight_decay: float) -> Tensor:
    """0.001 · ‖w‖ / (‖g‖ + wd ‖w‖), a scalar; 1 where a norm is 0."""
    w, g = torch.linalg.vector_norm(weight), torch.linalg.vector_norm(gradient)
    ratio = TRUST_COEFFICIENT * w / (g + weight_decay * w)
    return torch.where((w > 0) & (g > 0), ratio, 1.0)


class Lars(torch.optim.Optimizer):
    """torch's SGD with momentum and a trust ratio a tensor; groups take lr, momentum, weight_decay, adapt."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        form: Form = "buffer",
    ) -> None:
        self.form = form
        super().__init__(
            params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "adapt": True}
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._step_one(weight, weight.grad, group)

    def _step_one(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        decay = group["weight_decay"]
        decayed = gradient.add(weight, alpha=decay)
        trust = torch.ones(())
        if group["adapt"]:
            trust = trust_ratio(weight, decayed if self.form == "apply" else gradient, decay)
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        buffer = state["momentum_buffer"].mul_(group["momentum"])
        if self.form == "buffer":
            weight.sub_(buffer.add_(decayed * trust), alpha=group["lr"])
        else:
            weight.sub_(buffer.add_(decayed) * trust, alpha=group["lr"])
