"""Don't decay the learning rate, increase the batch size.

The noise of SGD has the scale g = ε (N/B − 1), with momentum about
ε N / (B (1 − m)): dividing the rate ε by a and multiplying the batch B by a
do the same to it, and the second needs fewer updates. Grow until B is about
N/10, then let the rate fall. Before that, a start at a higher rate with
B ∝ ε and a higher momentum with B ∝ 1/(1 − m) keeps g as well.
Source: Smith et al. 2018, arXiv 1711.00489.
"""

import math

MOST_OF_AN_EPOCH = 0.1


def ceiling(epoch_samples: int) -> int:
    """Return the largest batch for N samples an epoch: N/10, at least 1."""
    return max(1, int(epoch_samples * MOST_OF_AN_EPOCH))


def grow(lr: float, batch: int, factor: float, limit: int, unit: int) -> tuple[float, int]:
    """Rate and batch where the decay would give `lr * factor` at `batch`.

    Args:
        factor: of the decay, in [0, 1].
        limit: ceiling of the batch; a batch above it from the start stays.
        unit: samples that processes hold at once; the batch is the next lower multiple of it.

    The rate makes up for rounding and ceiling, so that its quotient with the
    grown batch is `lr * factor / batch` to the last bits. It never exceeds `lr`.
    """
    most = limit // unit * unit
    wanted = most if factor * most <= batch else _multiple(batch / factor, unit)
    grown = max(batch, min(wanted, most))
    return lr * factor * grown / batch, grown


def raise_start(
    lr: float, batch: int, momentum: float, lr_factor: float, to_momentum: float, limit: int, unit: int
) -> tuple[float, int]:
    """Return initial rate and batch at the same noise scale for a higher rate and momentum.

    The batch stops at `limit` (a batch above it from the start stays); the rate then keeps the noise scale.
    """
    wanted = batch * lr_factor * (1 - momentum) / (1 - to_momentum)
    most = max(batch, limit // unit * unit)
    rounded = max(unit, min(_multiple(wanted, unit), most))
    return lr * lr_factor * rounded / wanted, rounded


def _multiple(batch: float, unit: int) -> int:
    """Round down to a multiple of `unit`; 639.9999999 counts as 640, as factors like 0.2 are not exact."""
    return math.floor(batch / unit * (1 + 1e-12)) * unit


def noise_scale(lr: float, batch: int, momentum: float, epoch_samples: int) -> float:
    """Compute g = ε (N/B − 1) / (1 − m): the paper's form for m = 0, and for N ≫ B its form with momentum."""
    return lr / (1 - momentum) * (epoch_samples / batch - 1)
