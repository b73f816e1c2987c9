"""From the batch at which a recipe was tuned to the batch that it runs with.

legw: training/schedule/legw.py. The contrasts keep the warm-up: sqrt multiplies the
rate by sqrt(k) (Krizhevsky 2014, arXiv 1404.5997), linear by k (Goyal et al.
2017, arXiv 1706.02677), none leaves it; k = batch / base batch.
"""

import math

from training.recipe.schema import Scaling
from training.schedule.legw import LegwBase, Scaled, legw


def scale(scaling: Scaling, lr: float, warmup: float, batch: int, total: float) -> Scaled:
    """Return peak rate and warm-up for `batch`, of `lr` and `warmup` tuned at `scaling.base_batch`.

    `warmup` and `total` (length of training) are in one unit, samples or epochs.

    Raises:
        RecipeError: legw's warm-up does not fit into the training.
    """
    if scaling.rule == "legw":
        return legw(LegwBase(scaling.base_batch, lr, warmup), batch, total)
    k = batch / scaling.base_batch
    return Scaled(lr * {"sqrt": math.sqrt(k), "linear": k, "none": 1.0}[scaling.rule], warmup)
