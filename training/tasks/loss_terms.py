"""What samples lose: a loss for each of them, and what the log says of it.

A batch may be cut into micro-batches and divided among processes: the loop
divides by the samples of the whole update. No loss looks at its neighbours in
the batch, but for the phase `heads`, whose strangers are the micro-batch's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LossTerms:
    """What N samples lose.

    Attributes:
        terms: (weight, N values); a sample's loss is the weighted sum of its values.
        parts: for the log, by name, N values an exit (a classifier has one).
    """

    terms: list[tuple[float, Tensor]]
    parts: dict[str, list[Tensor]]

    def share_of(self, count: int) -> Tensor:
        """Return these samples' share of the mean loss of `count`; shares of an update add up to its mean."""
        return torch.stack([weight * (values.sum() / count) for weight, values in self.terms]).sum()

    def sums(self) -> dict[str, list[float]]:
        """Sum `parts` over the samples."""
        return {name: [float(v.detach().sum()) for v in values] for name, values in self.parts.items()}
