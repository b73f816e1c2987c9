"""The exponential moving average of a network's weights and moments, which is what a run delivers."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """average ← decay · average + (1 − decay) · network, floats only; counters are copied."""
    pairs = zip(average.state_dict().values(), network.state_dict().values(), strict=True)
    old: list[Tensor] = []
    new: list[Tensor] = []
    for a, n in pairs:
        if a.dtype.is_floating_point:
            old.append(a)
            new.append(n)
        else:
            a.copy_(n)
    torch._foreach_lerp_(old, new, 1 - decay)
