"""Optimisers by the names that recipes use: torch's own, LAMB and LARS."""

from typing import Any

import torch
from torch import nn

from training.optim.lamb import Lamb
from training.optim.lars import Lars
from training.schedule.plan import StepPlan

BETA2 = 0.99
WEIGHT_DECAY = {"adamw": 0.02, "lamb": 0.02}
"""Of those that decay weights apart from the gradient; the others add it there, and have 1e-4."""


def weight_decay_of(name: str, wanted: float | None) -> float:
    """Return the weight decay that a recipe states, or else the optimiser's own."""
    return WEIGHT_DECAY.get(name, 1e-4) if wanted is None else wanted


def make_optimiser(
    name: str, module: nn.Module, step: StepPlan, weight_decay: float
) -> torch.optim.Optimizer:
    """Make an optimiser of what requires gradients in `module`, set to `step`.

    Args:
        name: adamw, lamb (decay decoupled); adam, sgd, nesterov, lars, lars_apply (added to the gradient).
        weight_decay: of weights; biases and norms have none, and LAMB and LARS do not adapt their rate.
    """
    groups, lr = parameter_groups(module, weight_decay), step.lr
    if name in ("adamw", "adam"):
        kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
        return kind(groups, lr=lr, betas=(step.momentum, BETA2))
    if name in ("sgd", "nesterov"):
        return torch.optim.SGD(groups, lr=lr, momentum=step.momentum, nesterov=name == "nesterov")
    groups[1]["adapt"] = False
    if name == "lamb":
        return Lamb(groups, lr, (step.momentum, BETA2))
    return Lars(groups, lr, step.momentum, form="apply" if name == "lars_apply" else "buffer")


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: weights, which decay; biases and norms, which do not."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def set_step(optimiser: torch.optim.Optimizer, step: StepPlan) -> None:
    """Rate and momentum of the next update."""
    for group in optimiser.param_groups:
        group["lr"] = step.lr
        if "betas" in group:
            group["betas"] = (step.momentum, group["betas"][1])
        else:
            group["momentum"] = step.momentum
