"""Milliseconds of update, side by side: the contenders take turns on the same decoded frames."""

from collections.abc import Sequence as Frames
from dataclasses import dataclass

import numpy as np

from eval.contenders.base import Contender
from eval.data.sequences import Sequence
from eval.onepass.runner import run
from tracker.arrays import Floats, Image


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one contender's updates over all blocks, and its success AUC on the same frames."""

    mean: float
    median: float
    p25: float
    p75: float
    p95: float
    p99: float
    updates: int
    auc: float


def time_in_turns(
    contenders: dict[str, Contender],
    videos: list[tuple[Sequence, Frames[Image]]],
    rounds: int = 3,
) -> dict[str, Timing]:
    """Every contender runs every video, one after the other, `rounds` times; the first pass warms up.

    Turns are short (a video), so a machine whose speed drifts slows all alike.
    """
    seconds: dict[str, list[Floats]] = {name: [] for name in contenders}
    accuracies: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for sequence, frames in videos:
            for name, contender in contenders.items():
                done = run(contender, frames, sequence)
                if turn > 0:
                    seconds[name].append(done.seconds)
                    accuracies[name].append(done.accuracy(sequence).auc)
    return {
        name: _timing(np.concatenate(parts) * 1e3, float(np.mean(accuracies[name])))
        for name, parts in seconds.items()
    }


def _timing(ms: Floats, auc: float) -> Timing:
    p25, median, p75, p95, p99 = (float(v) for v in np.percentile(ms, (25, 50, 75, 95, 99)))
    return Timing(float(ms.mean()), median, p25, p75, p95, p99, len(ms), auc)
