"""The two short-term protocols of VOT, in seconds, on decoded frames.

Reset (VOT2013–2019, `supervised`): start on the truth; a frame without overlap
is a failure; start again five frames later. Anchors (VOT2020–22, `multistart`):
from every anchor run forward or backward to the end, never corrected.
Definitions are those that vot-toolkit 0.7.4 computes, not always those that the
reports describe: tests compare all measures with the toolkit's own, 1e-6.
"""

import math
from collections.abc import Sequence as Frames
from dataclasses import dataclass

import numpy as np

from eval.contenders.base import Contender
from eval.data.regions import Region, hull, is_empty, rectangle, region_overlap
from tracker.arrays import Float32s, Floats, Image

UNKNOWN, INITIALIZATION, FAILURE, SEEN = 0, 1, 2, 3
SKIP_AFTER_FAILURE = 5
BURN_IN = 10
ANCHOR_THRESHOLD, ANCHOR_GRACE = 0.1, 10


@dataclass(frozen=True)
class Annotated:
    """A sequence of VOT: the truth of every frame, the frame's (width, height), signed anchors."""

    name: str
    truth: list[Region]
    size: tuple[int, int]
    anchors: tuple[int, ...] = ()


@dataclass(frozen=True)
class Trajectory:
    """Regions of a run, None where there is none, and what each frame was: UNKNOWN … SEEN."""

    regions: list[Region]
    marks: list[int]


@dataclass(frozen=True)
class Scores:
    """A set's accuracy, robustness and expected average overlap; `why` says why an EAO is None.

    robustness: mean failures a sequence (reset; less is better) or share of
    frames before a failure (anchors; more is better).
    """

    accuracy: float
    robustness: float
    eao: float | None
    why: str = ""


def reset_run(contender: Contender, frames: Frames[Image], sequence: Annotated) -> Trajectory:
    """Track one pass with corrections."""
    count = len(sequence.truth)
    regions: list[Region] = [None] * count
    marks = [UNKNOWN] * count
    at = 0
    while at < count:
        truth = sequence.truth[at]
        if truth is None:
            at += 1
            continue
        contender.init(frames[at], hull(truth))
        marks[at] = INITIALIZATION
        for i in range(at + 1, count):
            seen = rectangle(contender.update(frames[i]).box)
            if region_overlap(seen, sequence.truth[i], sequence.size) <= 0:
                marks[i] = FAILURE
                at = i + SKIP_AFTER_FAILURE
                break
            regions[i], marks[i] = seen, SEEN
        else:
            break
    return Trajectory(regions, marks)


def anchor_runs(contender: Contender, frames: Frames[Image], sequence: Annotated) -> list[Trajectory]:
    """Track one run per anchor: forward ones first, each in the order of its own frames."""
    runs = []
    for order in anchor_orders(sequence):
        start = sequence.truth[order[0]]
        if start is None:
            raise ValueError(f"{sequence.name}: anchor {order[0]} lies where the target is not visible")
        contender.init(frames[order[0]], hull(start))
        regions: list[Region] = [None]
        regions += [rectangle(contender.update(frames[i]).box) for i in order[1:]]
        runs.append(Trajectory(regions, [INITIALIZATION] + [SEEN] * (len(order) - 1)))
    return runs


def anchor_orders(sequence: Annotated) -> list[range]:
    """Return the frames of every run: an anchor > 0 runs to the end, < 0 back to frame 0."""
    count = len(sequence.truth)
    forward = [range(i, count) for i, a in enumerate(sequence.anchors) if a > 0]
    return forward + [range(i, -1, -1) for i, a in enumerate(sequence.anchors) if a < 0]


def spaced_anchors(truth: list[Region], every: int = 50) -> tuple[int, ...]:
    """Place anchors every `every` frames and at the last, towards the longer side, on visible targets."""
    count = len(truth)
    anchors = [0] * count
    for i in [*range(0, count, every), count - 1]:
        if not is_empty(truth[i]):
            anchors[i] = 1 if count - i > i else -1
    return tuple(anchors)


def reset_scores(runs: list[tuple[Annotated, list[Trajectory]]], low: int = 108, high: int = 371) -> Scores:
    """Compute A, R and EAO of a set; each sequence has one trajectory per repetition.

    A is the mean overlap outside the ten frames after a start, R the failures
    a run; both weighted by length. EAO is the mean of the curve from `low` to `high` (VOT2016's by default).
    """
    accuracy = failures = weight = 0.0
    fragments: list[list[float]] = []
    failed: list[bool] = []
    for sequence, trajectories in runs:
        overlaps = [_overlaps(t, sequence.truth, sequence.size) for t in trajectories]
        pairs = list(zip(trajectories, overlaps, strict=True))
        length = len(sequence.truth)
        accuracy += length * float(np.mean([_burnt_in_mean(t, o) for t, o in pairs]))
        failures += length * float(np.mean([t.marks.count(FAILURE) for t in trajectories]))
        weight += length
        for trajectory, overlap in pairs:
            for part, ends in _fragments(trajectory, overlap):
                fragments.append(part)
                failed.append(ends)
    eao, why = _mean_of_curve(reset_eao_curve(fragments, failed), low, high)
    return Scores(accuracy / weight, failures / weight, eao, why)


def reset_eao_curve(fragments: list[list[float]], failed: list[bool]) -> Float32s:
    """Average the overlap over frames 1 … j and fragments; a failed fragment counts as 0 after its end.

    In float32 like the toolkit's. The curve is as long as the longest fragment.
    """
    longest = max(len(f) for f in fragments)
    overlaps = np.zeros((len(fragments), longest), np.float32)
    active = np.zeros_like(overlaps)
    for i, (fragment, ends) in enumerate(zip(fragments, failed, strict=True)):
        overlaps[i, : len(fragment)] = fragment
        active[i, : None if ends else len(fragment)] = 1
    running = overlaps.copy()
    for j in range(1, longest):
        running[:, j] = overlaps[:, 1 : j + 1].mean(1)
    return np.asarray((running * active).sum(0) / active.sum(0))


def anchor_scores(runs: list[tuple[Annotated, list[Trajectory]]], low: int = 115, high: int = 755) -> Scores:
    """Compute A, R and EAO of a set from its anchor runs; VOT2020–22's interval by default.

    A run ends where the overlap stays at or below .1 for ten frames.
    """
    tracked = covered = total = lengths = 0.0
    curve, active = np.zeros(high), np.zeros(high)
    longest = 0
    for sequence, trajectories in runs:
        progresses = sums = frames = 0.0
        for order, trajectory in zip(anchor_orders(sequence), trajectories, strict=True):
            truth = [sequence.truth[i] for i in order]
            overlaps = _overlaps(trajectory, truth, sequence.size)
            progress = _progress(overlaps, truth)
            progresses += progress
            sums += sum(overlaps[:progress])
            frames += len(overlaps)
            longest = max(longest, len(overlaps))
            _add_run(curve, active, overlaps[:progress], len(overlaps), progress == len(overlaps))
        tracked += sums
        covered += progresses
        total += progresses / frames * len(sequence.truth)
        lengths += len(sequence.truth)
    phi = np.divide(curve, active, out=np.zeros(high), where=active > 0)
    why = f"the longest run has {longest} frames, fewer than the {high} of the interval's end"
    eao = float(np.mean(phi[low : high + 1])) if longest >= high else None
    return Scores(tracked / covered if covered else 0.0, total / lengths, eao, "" if eao is not None else why)


def _overlaps(trajectory: Trajectory, truth: list[Region], size: tuple[int, int]) -> list[float]:
    return [region_overlap(a, b, size) for a, b in zip(trajectory.regions, truth, strict=True)]


def _burnt_in_mean(trajectory: Trajectory, overlaps: list[float]) -> float:
    """Return the mean overlap of the frames that count; 0 when none does."""
    keep = np.array([mark == SEEN for mark in trajectory.marks])
    for i, mark in enumerate(trajectory.marks):
        if mark == INITIALIZATION:
            keep[i : i + BURN_IN] = False
    return float(np.mean(np.asarray(overlaps)[keep])) if keep.any() else 0.0


def _fragments(trajectory: Trajectory, overlaps: list[float]) -> list[tuple[list[float], bool]]:
    """Cut runs from every start to its failure, and the last one that did not fail: (overlaps, failed)."""
    starts = [i for i, mark in enumerate(trajectory.marks) if mark == INITIALIZATION]
    ends = [i for i, mark in enumerate(trajectory.marks) if mark == FAILURE]
    if not ends:
        return [(overlaps, False)]
    parts = [(overlaps[a:b], True) for a, b in zip(starts, ends, strict=False)]
    return [*parts, (overlaps[starts[-1] :], False)] if len(starts) > len(ends) else parts


def _mean_of_curve(curve: Float32s, low: int, high: int) -> tuple[float | None, str]:
    """Return the EAO, or None with the reason: a mean over part of the interval is no EAO."""
    if len(curve) <= low:
        return None, f"the longest fragment has {len(curve)} frames, fewer than the interval's start {low}"
    value = float(np.mean(curve[low : high + 1]))
    if len(curve) <= high:
        return None, f"the longest fragment has {len(curve)} frames, fewer than the interval's end {high}"
    return (None, "undefined") if math.isnan(value) else (value, "")


def _progress(overlaps: list[float], truth: list[Region]) -> int:
    """Count frames before the first of ten in a row at or below .1; frames without truth do not count."""
    grace = ANCHOR_GRACE
    for j, (overlap, region) in enumerate(zip(overlaps, truth, strict=True)):
        if overlap <= ANCHOR_THRESHOLD and not is_empty(region):
            grace -= 1
            if grace == 0:
                return j + 1 - ANCHOR_GRACE
        else:
            grace = ANCHOR_GRACE
    return len(overlaps)


def _add_run(curve: Floats, active: Floats, overlaps: list[float], length: int, success: bool) -> None:
    """Add a run's mean overlap over frames 1 … j to the curve, with zeros after a failure.

    As in the toolkit, the sum beyond the run's own length is divided by j − 1, within it by j.
    """
    padded = np.zeros(length)
    padded[: len(overlaps)] = overlaps
    within = min(length, len(curve))
    sums = np.cumsum(padded[1:])
    j = np.arange(1, within)
    curve[1:within] += sums[: within - 1] / j
    active[1:within] += 1
    if not success and length < len(curve):
        rest = np.arange(max(length, 1), len(curve))
        rest = rest[rest > 1]
        curve[rest] += (sums[-1] if len(sums) else 0.0) / (rest - 1)
        active[rest] += 1
