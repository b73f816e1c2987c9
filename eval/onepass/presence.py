"""Does a tracker know when its target is there? Losses declared, targets found again, false recoveries.

A frame is good where IoU exceeds one half, absent where the truth holds no box. An absence is a stretch
of absent frames; the target returns with the first frame after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracker.arrays import Bools, Floats

GOOD_OVERLAP = 0.5

Flags = Bools


@dataclass(frozen=True)
class Told:
    """What one pass tells of presence, a row a frame after the first.

    scores: of the chosen cell; present: what the tracker said; overlaps: IoU, NaN where the target is absent.
    """

    scores: Floats
    present: Flags
    overlaps: Floats


@dataclass(frozen=True)
class Absence:
    """One absence, in frames.

    declared: how many passed before the tracker said LOST, None where it never did; false_recoveries:
    how often it took the target for found while it was away; recovered: how many passed from the
    return until the tracker was on it and said so, None where it was not before the target left
    again or the video ended; returns: whether there was a return at all.
    """

    frames: int
    declared: int | None
    false_recoveries: int
    returns: bool
    recovered: int | None


def absences(told: Told) -> list[Absence]:
    """Return the absences of a pass, in order."""
    away = np.isnan(told.overlaps)
    edges = np.flatnonzero(np.diff(away.astype(int), prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2]
    found = []
    for start, end, following in zip(starts, ends, np.append(starts, len(away))[1:], strict=True):
        said = told.present[start:end]
        on_it = told.present[end:following] & (told.overlaps[end:following] > GOOD_OVERLAP)
        found.append(
            Absence(
                frames=int(end - start),
                declared=_first(~said),
                false_recoveries=int((said[1:] & ~said[:-1]).sum()),
                returns=bool(following > end),
                recovered=_first(on_it),
            )
        )
    return found


def _first(flags: Flags) -> int | None:
    return int(flags.argmax()) if flags.any() else None


def called_lost(passes: Iterable[Told]) -> tuple[float, float]:
    """Return which share of the good and of the absent frames the tracker called lost; NaN for no frames."""
    passes = list(passes)
    good = np.concatenate([~p.present[p.overlaps > GOOD_OVERLAP] for p in passes])
    absent = np.concatenate([~p.present[np.isnan(p.overlaps)] for p in passes])
    return _share(good), _share(absent)


def _share(said: Flags) -> float:
    return float(said.mean()) if len(said) else float("nan")


def area_under_roc(positive: Floats, negative: Floats) -> float:
    """Return the chance that a positive scores above a negative, ties counting half (Mann-Whitney 1947)."""
    ranked = np.sort(negative)
    below, up_to = (np.searchsorted(ranked, positive, side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(negative))


def score_area(passes: Iterable[Told]) -> float | None:
    """Compute the score's AUC-ROC, good frames against absent ones; None where either is missing."""
    passes = list(passes)
    good = np.concatenate([p.scores[p.overlaps > GOOD_OVERLAP] for p in passes])
    absent = np.concatenate([p.scores[np.isnan(p.overlaps)] for p in passes])
    return area_under_roc(good, absent) if len(good) and len(absent) else None


def summary(passes: list[Told]) -> dict[str, Any]:
    """Summarise all passes of a contender; medians in frames over those with a declaration or a return."""
    good, absent = called_lost(passes)
    found = [a for p in passes for a in absences(p)]
    returned = [a for a in found if a.returns]
    return {
        "good_called_lost": good,
        "absent_called_lost": absent,
        "area": score_area(passes),
        "absences": len(found),
        "declared": sum(a.declared is not None for a in found),
        "median_to_declare": _median(a.declared for a in found),
        "false_recoveries": sum(a.false_recoveries for a in found),
        "returns": len(returned),
        "recovered": sum(a.recovered is not None for a in returned),
        "median_to_recover": _median(a.recovered for a in returned),
    }


def _median(counts: Iterable[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return float(np.median(known)) if known else None
