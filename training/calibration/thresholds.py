"""Gate thresholds: which rows are worth a measurement, and which of the measured ones are kept.

Shares of frames per depth q_k ∝ r^k are turned into thresholds by their quantiles (Huang et al.
2018, MSDNet, section 4.1), one row a ratio r and a set of exits: one that is left out has τ = NEVER
and costs nothing. Beside them every fixed depth, and every set of exits whose gates always stop:
there the score alone decides, since a frame that is not TRACKED goes deeper.
"""

from collections.abc import Iterable
from collections.abc import Sequence as Several
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tracker.arrays import Floats
from tracker.manifest import ALWAYS, NEVER, Manifest
from training.calibration.passes import Pass, average, by_source, mean_auc

RATIOS = (0.25, 0.5, 1.0, 1.7, 3.0)
EAGER = 1e-9  # the gate always stops, and is overruled where the target is not TRACKED
TOLERANCE = 0.005

Taus = tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """Thresholds with the accuracy and the shares of frames per depth that they gave."""

    tau: Taus
    share: tuple[float, ...]
    accuracy: float

    def cost(self, manifest: Manifest) -> float:
        """Return the mean committed seconds of a frame."""
        return sum(share * manifest.seconds(self.tau, k) for k, share in enumerate(self.share, start=1))


def measured_row(tau: Taus, passes: list[Pass], depths: int) -> Row:
    """Summarise the passes under the thresholds `tau`, averaged by data set, then source."""
    counts = by_source(
        passes, lambda p: np.bincount(p.depths, minlength=depths + 1)[1:] / max(1, len(p.depths))
    )
    return Row(tau, tuple(round(float(s), 4) for s in average(counts)), round(mean_auc(passes), 4))


def fixed_depth(depth: int, depths: int) -> Taus:
    """Return thresholds under which every frame stops at `depth`."""
    return tuple(ALWAYS if k >= depth else NEVER for k in range(1, depths))


def candidates(gates: Floats) -> list[Taus]:
    """Return thresholds worth a measurement beside the fixed depths, from n × D − 1 probabilities.

    Every set of exits, decided by the score alone and at every ratio.
    """
    gated = gates.shape[1]
    sets = [exits for count in range(1, gated + 1) for exits in combinations(range(gated), count)]
    eager = [tuple(EAGER if k in exits else NEVER for k in range(gated)) for exits in sets]
    return eager + [thresholds(gates, shares(exits, gated + 1, ratio)) for exits in sets for ratio in RATIOS]


def shares(exits: Several[int], depths: int, ratio: float) -> Floats:
    """Return D shares of frames: each exit used (from 0) gets `ratio` times the one before; so the last."""
    used = [*exits, depths - 1]
    weights = np.zeros(depths)
    weights[used] = ratio ** np.arange(len(used), dtype=np.float64)
    return np.asarray(weights / weights.sum())


def thresholds(gates: Floats, wanted: Floats) -> tuple[float, ...]:
    """Return τ per gate, so that of the frames in `gates` (n × D − 1 probabilities) those shares stop.

    An exit that nobody shall take gets NEVER.
    """
    left = np.ones(len(gates), bool)
    taus = []
    for k in range(gates.shape[1]):
        stop = wanted[k] / max(wanted[k:].sum(), 1e-12)
        tau = float(np.quantile(gates[left, k], 1 - stop)) if stop > 0 and left.any() else NEVER
        left &= gates[:, k] <= tau
        taus.append(round(tau, 5))
    return tuple(taus)


def pareto(rows: Iterable[Row], manifest: Manifest) -> list[Row]:
    """Return the rows in order of cost without those that a cheaper one equals or beats: accuracy rises."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda r: (r.cost(manifest), -r.accuracy)):
        if not kept or row.accuracy > kept[-1].accuracy:
            kept.append(row)
    return kept


def cheapest_within(table: list[Row], accuracy: float, manifest: Manifest) -> Row:
    """Return the cheapest row that loses at most TOLERANCE against `accuracy`."""
    return min(
        (row for row in table if row.accuracy >= accuracy - TOLERANCE), key=lambda row: row.cost(manifest)
    )
