"""How things move: curves through knots, and the maps from a picture's pixels to the frame's.

Everything is evaluated for all frames of a sequence at once. A map is 2×3,
affine, and takes (x, y, 1) to (x', y'); pixel i covers [i, i + 1).
"""

import math
from dataclasses import dataclass

import numpy as np

from tracker.arrays import Bools, Floats


@dataclass(frozen=True)
class Curve:
    """Cubic Hermite through knots; where the slopes on a knot's two sides differ, it turns suddenly.

    Attributes:
        times: K, rising, in frames.
        values, arriving, leaving: K×D; slopes are per frame.
    """

    times: Floats
    values: Floats
    arriving: Floats
    leaving: Floats

    def at(self, times: Floats) -> Floats:
        """Return the curve's values at the times, T×D; beyond the ends, the end's value."""
        inside = np.clip(times, self.times[0], self.times[-1])
        k = np.clip(np.searchsorted(self.times, inside, "right") - 1, 0, len(self.times) - 2)
        length = (self.times[k + 1] - self.times[k])[:, None]
        u = (inside - self.times[k])[:, None] / length
        start, end = self.values[k], self.values[k + 1]
        first, last = self.leaving[k] * length, self.arriving[k + 1] * length
        return np.asarray(
            start * (1 + 2 * u) * (1 - u) ** 2
            + end * u**2 * (3 - 2 * u)
            + first * u * (1 - u) ** 2
            - last * u**2 * (1 - u)
        )


def through(times: Floats, values: Floats, sudden: Bools) -> Curve:
    """Lay a curve through K×D values: smooth at a knot (Catmull-Rom), a turn on the spot where `sudden`."""
    pace = np.diff(values, axis=0) / np.diff(times)[:, None]
    before, after = np.concatenate([pace[:1], pace]), np.concatenate([pace, pace[-1:]])
    smooth = (before + after) / 2
    turn = sudden[:, None]
    return Curve(times, values, np.where(turn, before, smooth), np.where(turn, after, smooth))


def draw_wander(
    rng: np.random.Generator, frames: int, spread: float | Floats, every: tuple[int, int], most: float = 2.5
) -> Floats:
    """Draw T×D values that wander around 0.

    Knots come `every` so many frames, normal with `spread`, and at most `most` spreads from 0.
    """
    times = _knot_times(rng, frames, every)
    spreads = np.atleast_1d(np.asarray(spread, np.float64))
    values = np.clip(rng.normal(0, 1, (len(times), len(spreads))), -most, most) * spreads
    return through(times, values, rng.random(len(times)) < 0.15).at(np.arange(frames, dtype=np.float64))


def draw_path(
    rng: np.random.Generator, frames: int, start: Floats, pace: float, low: Floats, high: Floats
) -> Floats:
    """Draw T×2 positions that begin at `start` and stay about between `low` and `high`.

    `pace` is the usual speed in pixels a frame; it varies threefold from knot
    to knot, the direction mostly a little, at some knots wholly and at once.
    """
    times = _knot_times(rng, frames, (8, 40))
    heading, values = rng.uniform(0, 2 * math.pi), [start]
    sudden = rng.random(len(times)) < 0.3
    for k in range(1, len(times)):
        heading += rng.uniform(-math.pi, math.pi) if sudden[k - 1] else rng.normal(0, 0.6)
        step = pace * (times[k] - times[k - 1]) * math.exp(rng.normal(0, 0.6))
        there = values[-1] + step * np.array([math.cos(heading), math.sin(heading)])
        kept = reflect(there, low, high)
        moved = kept - values[-1]
        heading = math.atan2(moved[1], moved[0])
        values.append(kept)
    return through(times, np.asarray(values), sudden).at(np.arange(frames, dtype=np.float64))


def draw_shake(rng: np.random.Generator, frames: int, amplitude: float) -> Floats:
    """Draw a hand's tremor, T×2: four waves in each direction, .05 to .45 of a turn a frame."""
    times = np.arange(frames)[:, None, None]
    turns, phase = rng.uniform(0.05, 0.45, (1, 2, 4)), rng.uniform(0, 2 * math.pi, (1, 2, 4))
    return np.asarray(amplitude / 2 * np.sin(2 * math.pi * turns * times + phase).sum(2))


def reflect(point: Floats, low: Floats, high: Floats) -> Floats:
    """Reflect the point at the walls of a box until it lies inside."""
    span = np.maximum(high - low, 1e-9)
    phase = np.mod(point - low, 2 * span)
    return np.asarray(low + np.minimum(phase, 2 * span - phase))


def place(centre: Floats, scale: Floats, angle: Floats, pivot: tuple[float, float]) -> Floats:
    """Return T×2×3 maps: `pivot` goes to `centre` (T×2), around it scale (T×2), then turn (T, radians)."""
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.empty((len(centre), 2, 2))
    linear[:, 0, 0], linear[:, 0, 1] = cos * scale[:, 0], -sin * scale[:, 1]
    linear[:, 1, 0], linear[:, 1, 1] = sin * scale[:, 0], cos * scale[:, 1]
    shift = centre - linear @ np.asarray(pivot)
    return np.concatenate([linear, shift[..., None]], 2)


def apply(maps: Floats, points: Floats) -> Floats:
    """Map …×N×2 points by …×2×3 maps."""
    return np.asarray(points @ np.swapaxes(maps[..., :2], -1, -2) + maps[..., None, :, 2])


def after(outer: Floats, inner: Floats) -> Floats:
    """Return the map that applies `inner`, then `outer`; both …×2×3."""
    linear = outer[..., :2] @ inner[..., :2]
    shift = outer[..., :2] @ inner[..., 2:] + outer[..., 2:]
    return np.concatenate([linear, shift], -1)


def inverse(maps: Floats) -> Floats:
    """Return the inverse maps, …×2×3."""
    linear = np.linalg.inv(maps[..., :2])
    return np.concatenate([linear, -linear @ maps[..., 2:]], -1)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _knot_times(rng: np.random.Generator, frames: int, every: tuple[int, int]) -> Floats:
    """Draw at least two times from 0 to the last frame or beyond."""
    count = frames // every[0] + 2
    times = np.concatenate([[0], np.cumsum(rng.integers(every[0], every[1] + 1, count))])
    return times[: np.searchsorted(times, frames) + 2].astype(np.float64)
