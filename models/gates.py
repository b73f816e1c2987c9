"""Trainable gates that decide whether to stop at this depth or pay for the next one.

A gate sees the statistics of a response map and nothing else. In training the
stops form a distribution by stick-breaking; at run time stop at the first k
with σ(gate logit) > τₖ. Source: Ying & Fragkiadaki 2018, arXiv 1801.00508.
"""

import torch
from torch import Tensor, nn

STATISTICS = 18


class Gate(nn.Module):
    """Statistics N×18 to the logit N×1 of stopping here; inputs are standardised by running moments."""

    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        self.standardise = nn.BatchNorm1d(STATISTICS, affine=False, momentum=0.02)
        self.layers = nn.Sequential(nn.Linear(STATISTICS, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, statistics: Tensor) -> Tensor:
        logit: Tensor = self.layers(self.standardise(statistics))
        return logit


def stick_breaking(stop: Tensor) -> Tensor:
    """Gates g N×(D−1) in [0, 1] to the probabilities N×D of stopping at each depth.

    g*ₖ = gₖ · (1 − Σⱼ₍ⱼ<ₖ₎ g*ⱼ), g*_D = the rest: rows sum to one (budgeted gates of the paper).
    """
    left = torch.cumprod(1 - stop, 1)
    reach = torch.cat([torch.ones_like(left[:, :1]), left], 1)
    return torch.cat([stop * reach[:, :-1], reach[:, -1:]], 1)
