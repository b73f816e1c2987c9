"""The exponential moving average of a network's weights and moments, which is what a run delivers.

It remembers about a ninth of the updates so far until `decay` is reached, as in
tf.train.ExponentialMovingAverage: a mean over all of them would keep the
moments of the first ones, which no longer fit the weights.
"""

import torch
from torch import Tensor, nn


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, done: int) -> None:
    """Set average ← d · average + (1 − d) · network, floats only; counters are copied.

    d is the lesser of `decay` and (1 + done) / (10 + done), after `done` updates.
    """
    decay = min(decay, (1 + done) / (10 + done))
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
