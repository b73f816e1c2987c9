"""Does a tracker know when its target is there? Losses declared, targets found again, false recoveries.

    python app.py eval presence ../shared/data/video/dev --out docs/results/presence/dev.json

A frame is good where IoU exceeds one half, absent where the truth holds no box. An absence is a stretch
of absent frames; the target returns with the first frame after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from eval.contenders.names import describe_model, make_contender
from eval.data.sequences import Sequence, read_frames, read_sequences
from eval.onepass.runner import START_SHIFTS, run
from eval.results.host import describe_host
from eval.results.store import write_json
from tracker import Tracker
from tracker.boxes import overlap

GOOD_OVERLAP = 0.5

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


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
    """Share of the good and of the absent frames that the tracker called lost; NaN where there are none."""
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
    """AUC-ROC of the score, good frames against absent ones; None where there are not both."""
    passes = list(passes)
    good = np.concatenate([p.scores[p.overlaps > GOOD_OVERLAP] for p in passes])
    absent = np.concatenate([p.scores[np.isnan(p.overlaps)] for p in passes])
    return area_under_roc(good, absent) if len(good) and len(absent) else None


def summary(passes: list[Told]) -> dict[str, Any]:
    """All passes of a contender in one row; medians in frames, where there was a declaration or a return."""
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


def evaluate_presence(
    folder: Path, out: Path, model: str = "default", names: tuple[str, ...] = ("default",), starts: int = 3
) -> dict[str, Any]:
    """Track a folder's sequences, each start box, at the budgets `names`, and write `out`.

    Returns the document that was written. Raises SourceError or BudgetError as the readers do.
    """
    sequences = [s for s in read_sequences(folder) if s.same_frames_as is None]
    parts = Parallel(n_jobs=-1)(delayed(_told)(s, model, names, starts) for s in sequences)
    document = {
        **describe_model(Tracker.load(model)),
        "host": describe_host(),
        "data": folder.name,
        "sequences": len(sequences),
        "starts": starts,
        "contenders": {name: summary([told for part in parts for told in part[name]]) for name in names},
    }
    write_json(out, document)
    return document


def _told(sequence: Sequence, model: str, names: tuple[str, ...], starts: int) -> dict[str, list[Told]]:
    frames, tracker = list(read_frames(sequence.video)), Tracker.load(model)
    told: dict[str, list[Told]] = {name: [] for name in names}
    for name in names:
        for shift in START_SHIFTS[:starts]:
            done = run(make_contender(name, tracker), frames, sequence, shift)
            rows = slice(done.first + 1, done.first + len(done.boxes))
            overlaps = np.where(sequence.visible[rows], overlap(done.boxes[1:], sequence.boxes[rows]), np.nan)
            told[name].append(Told(done.scores[1:], done.present[1:], overlaps))
    return told
