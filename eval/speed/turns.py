"""Milliseconds of update, side by side: the contenders take turns on the same decoded frames."""

import time
from collections.abc import Sequence as Frames
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eval.contenders.base import Contender
from eval.data.sequences import Sequence
from eval.onepass.runner import run
from tracker.engine import Engine
from tracker.manifest import Geometry


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
    videos: list[tuple[Sequence, Frames[npt.NDArray[np.uint8]]]],
    rounds: int = 3,
) -> dict[str, Timing]:
    """Every contender runs every video, one after the other, `rounds` times; the first pass warms up.

    Turns are short (a video), so a machine whose speed drifts slows all alike.
    """
    seconds: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in contenders}
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


def _timing(ms: npt.NDArray[np.float64], auc: float) -> Timing:
    p25, median, p75, p95, p99 = (float(v) for v in np.percentile(ms, (25, 50, 75, 95, 99)))
    return Timing(float(ms.mean()), median, p25, p75, p95, p99, len(ms), auc)


def stage_seconds(engine: Engine, geometry: Geometry, rounds: int = 200) -> tuple[list[float], list[float]]:
    """Median seconds of each of D stages with its exit, and of the first D − 1 without; all take turns."""
    rng = np.random.default_rng(0)
    crops = {
        s: rng.integers(0, 256, (1, s, s, 3), dtype=np.uint8)
        for s in {*geometry.template_sides, *geometry.stage_sides} - {None}
        if s is not None
    }
    kernels = engine.template({s: crops[s] for s in geometry.template_sides})
    taken: list[list[float]] = [[] for _ in kernels]
    bare: list[list[float]] = [[] for _ in kernels[1:]]
    for _ in range(rounds + 20):
        carry = handed = None
        for k, side in enumerate(geometry.stage_sides, start=1):
            crop = None if side is None else crops[side]
            begun = time.perf_counter()
            carry = engine.stage(k, crop, carry, kernels[k - 1]).carry
            taken[k - 1].append(time.perf_counter() - begun)
        for k, side in enumerate(geometry.stage_sides[:-1], start=1):
            crop = None if side is None else crops[side]
            begun = time.perf_counter()
            handed = engine.pass_on(k, crop, handed)
            bare[k - 1].append(time.perf_counter() - begun)
    with_exit, without = ([float(np.median(t[20:])) for t in times] for times in (taken, bare))
    return with_exit, without
