"""Milliseconds of update, side by side: the contenders take turns on the same decoded frames."""

from collections.abc import Sequence as Frames
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eval.runner import Contender, run
from eval.sequences import Sequence


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one contender's updates: mean, median and quartiles over all blocks."""

    mean: float
    median: float
    p25: float
    p75: float
    p95: float
    updates: int


def time_in_turns(
    contenders: dict[str, Contender],
    videos: list[tuple[Sequence, Frames[npt.NDArray[np.uint8]]]],
    rounds: int = 3,
) -> dict[str, Timing]:
    """Every contender runs every video, one after the other, `rounds` times; the first pass warms up.

    Turns are short (a video), so a machine whose speed drifts slows all alike.
    """
    seconds: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for sequence, frames in videos:
            for name, contender in contenders.items():
                taken = run(contender, frames, sequence).seconds
                if turn > 0:
                    seconds[name].append(taken)
    return {name: _timing(np.concatenate(parts) * 1e3) for name, parts in seconds.items()}


def _timing(ms: npt.NDArray[np.float64]) -> Timing:
    p25, median, p75, p95 = (float(v) for v in np.percentile(ms, (25, 50, 75, 95)))
    return Timing(float(ms.mean()), median, p25, p75, p95, len(ms))
