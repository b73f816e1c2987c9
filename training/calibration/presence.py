"""Limits of presence: scores of an exit below which the target counts as lost, unsure, or not found again."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from eval.onepass.presence import GOOD_OVERLAP, score_area
from tracker.arrays import Bools, Floats
from training.calibration.passes import Pass, Source

LOST_SHARE, UNSURE_SHARE = 0.02, 0.05  # of the good frames, that may be called so
STEPS = 20  # in which LOST_SHARE is lowered, until frames lost in a row fit into it
FOUND_SHARE = 0.25  # of the good frames, that would not do for a target found elsewhere


@dataclass(frozen=True)
class Presence:
    """How well one exit tells presence.

    unsure, lost, found: its limits; area: AUC-ROC of its score, good frames (IoU > .5) against absent ones,
    None where no frame is either.
    """

    unsure: float
    lost: float
    found: float
    area: float | None


def presence(passes: list[Pass]) -> Presence:
    """Choose limits as high as the given shares of good frames allow, so that absence shows.

    Good frames are weighted so that data sets, and within them sources, count alike. What is lost
    comes back only as TRACKED: the frames until then count, too.
    """
    good = [p.overlaps > GOOD_OVERLAP for p in passes]
    scores = np.concatenate([p.scores[flags] for p, flags in zip(passes, good, strict=True)])
    if not len(scores):
        return Presence(0.0, 0.0, 0.0, None)
    weights = _weights(passes, good)
    unsure, found = (
        round(weighted_quantile(scores, weights, share), 3) for share in (UNSURE_SHARE, FOUND_SHARE)
    )
    for share in np.linspace(LOST_SHARE, 0, STEPS + 1):
        lost = round(weighted_quantile(scores, weights, float(share)), 3)
        called = [
            called_lost_at(p.scores, lost, unsure)[flags] for p, flags in zip(passes, good, strict=True)
        ]
        if np.average(np.concatenate(called), weights=weights) <= LOST_SHARE * (1 + 1e-9):
            break
    return Presence(unsure, lost, found, score_area(passes))


def called_lost_at(scores: Floats, lost: float, unsure: float) -> Bools:
    """Mark frames that the limits call LOST: from a score below `lost` until one that reaches `unsure`."""
    said, gone = np.zeros(len(scores), bool), False
    for i, score in enumerate(scores):
        gone = bool(score < lost or (gone and score < unsure))
        said[i] = gone
    return said


def weighted_quantile(values: Floats, weights: Floats, share: float) -> float:
    """Return the largest of the values that has at most `share` of the weight below it."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order]
    allowed = np.flatnonzero(below <= share * weights.sum() * (1 + 1e-12))
    return float(values[order[allowed[-1]]])


def _weights(passes: list[Pass], good: list[Bools]) -> Floats:
    """Return the weights of the good frames of all passes, one after another."""
    frames: Counter[Source] = Counter()
    for p, flags in zip(passes, good, strict=True):
        frames[p.source] += int(flags.sum())
    sources = Counter(dataset for (dataset, _), count in frames.items() if count)
    weights = [
        np.full(flags.sum(), 1 / max(1, frames[p.source]) / max(1, sources[p.source[0]]))
        for p, flags in zip(passes, good, strict=True)
    ]
    return np.concatenate(weights)
