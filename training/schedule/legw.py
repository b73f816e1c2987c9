"""LEGW: scale learning rate and warm-up with batch size.

Batch times k: peak rate times sqrt(k), warm-up *epochs* times k.
Source: You et al. 2019, arXiv 1901.08256. Warm-up in optimizer
steps therefore stays constant; tests/training/schedule/test_legw.py checks it.
"""

import math
from dataclasses import dataclass

from training.recipe.errors import RecipeError


@dataclass(frozen=True)
class LegwBase:
    """A batch at which rate and warm-up were tuned; warm-up in epochs or in samples."""

    batch: int
    lr: float
    warmup: float


@dataclass(frozen=True)
class Scaled:
    """Peak rate and warm-up, the latter in the unit that came in."""

    peak_lr: float
    warmup: float


def legw(base: LegwBase, batch: int, total: float) -> Scaled:
    """Return rate and warm-up at `batch`; `total` is the training's length in the warm-up's unit.

    Raises:
        RecipeError: the warm-up would be longer than the training.
    """
    k = batch / base.batch
    if base.warmup * k > total:
        most = math.floor(base.batch * total / base.warmup)
        raise RecipeError(
            f"legw: batch {batch} is {k:g} times {base.batch}, so the warm-up of {base.warmup:g} becomes "
            f"{base.warmup * k:g} of {total:g}; take a batch of at most {most}, or a shorter base warm-up"
        )
    return Scaled(base.lr * math.sqrt(k), base.warmup * k)
