"""Limits of presence: scores of an exit below which the target counts as lost, unsure, or not found again."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from eval.onepass.presence import GOOD_OVERLAP, score_area
from training.calibration.passes import Floats, Pass, Source

LOST_SHARE, UNSURE_SHARE = 0.02, 0.05  # of the good frames, that may be called so
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
    """Limits as high as the shares of good frames below them allow, so that absence shows.

    Good frames are weighted so that data sets, and within them sources, count alike.
    """
    scores, weights = _good(passes)
    if not len(scores):
        return Presence(0.0, 0.0, 0.0, None)
    unsure, lost, found = (
        round(weighted_quantile(scores, weights, share), 3)
        for share in (UNSURE_SHARE, LOST_SHARE, FOUND_SHARE)
    )
    return Presence(unsure, lost, found, score_area(passes))


def weighted_quantile(values: Floats, weights: Floats, share: float) -> float:
    """The largest of the values that has at most `share` of the weight below it."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order]
    allowed = np.flatnonzero(below <= share * weights.sum() * (1 + 1e-12))
    return float(values[order[allowed[-1]]])


def _good(passes: list[Pass]) -> tuple[Floats, Floats]:
    """Scores of the good frames, and their weights: data sets count alike, and in them sources."""
    good = [p.scores[p.overlaps > GOOD_OVERLAP] for p in passes]
    frames: Counter[Source] = Counter()
    for p, scores in zip(passes, good, strict=True):
        frames[p.source] += len(scores)
    sources = Counter(dataset for (dataset, _), count in frames.items() if count)
    weights = [
        np.full(len(scores), 1 / max(1, frames[p.source]) / max(1, sources[p.source[0]]))
        for p, scores in zip(passes, good, strict=True)
    ]
    return np.concatenate(good), np.concatenate(weights)
