"""Limits of presence: below which score of an exit the target counts as lost, and below which as unsure."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.calibration.passes import Floats, Pass, Source

GOOD_OVERLAP = 0.5
LOST_SHARE, UNSURE_SHARE = 0.02, 0.05  # of the good frames, that may be called so


@dataclass(frozen=True)
class Presence:
    """How well one exit tells presence.

    unsure, lost: its limits; area: AUC-ROC of its score, good frames (IoU > .5) against absent ones,
    None where no frame is either.
    """

    unsure: float
    lost: float
    area: float | None


def presence(passes: list[Pass]) -> Presence:
    """Limits as high as LOST_SHARE and UNSURE_SHARE of the good frames allow, so that absence shows.

    Good frames are weighted so that data sets, and within them sources, count alike.
    """
    scores, weights = _good(passes)
    absent = np.concatenate([p.scores[np.isnan(p.overlaps)] for p in passes])
    if not len(scores):
        return Presence(0.0, 0.0, None)
    unsure, lost = (weighted_quantile(scores, weights, share) for share in (UNSURE_SHARE, LOST_SHARE))
    area = area_under_roc(scores, absent) if len(absent) else None
    return Presence(round(unsure, 3), round(lost, 3), area)


def called_lost(passes: list[Pass]) -> tuple[float, float]:
    """Share of the good and of the absent frames that the tracker called lost; NaN where there are none."""
    good = np.concatenate([~p.present[p.overlaps > GOOD_OVERLAP] for p in passes])
    absent = np.concatenate([~p.present[np.isnan(p.overlaps)] for p in passes])
    return _share(good), _share(absent)


def weighted_quantile(values: Floats, weights: Floats, share: float) -> float:
    """The largest of the values that has at most `share` of the weight below it."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order]
    allowed = np.flatnonzero(below <= share * weights.sum() * (1 + 1e-12))
    return float(values[order[allowed[-1]]])


def area_under_roc(positive: Floats, negative: Floats) -> float:
    """The chance that a positive scores above a negative, ties counting half (Mann and Whitney 1947)."""
    ranked = np.sort(negative)
    below, up_to = (np.searchsorted(ranked, positive, side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(negative))


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


def _share(said: npt.NDArray[np.bool_]) -> float:
    return float(said.mean()) if len(said) else float("nan")
