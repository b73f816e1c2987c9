"""What a run looked like, in memory that does not grow with its length."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from tracker.state import LOST, TRACKED, UNSURE
from tracker.tracker import Prediction

T = TypeVar("T")
SAMPLE = 4096
MOMENTS = 1024
SPANS_NAMED = 5
WORST = {state: rank for rank, state in enumerate((TRACKED, UNSURE, LOST))}


class Thinned(Generic[T]):
    """Every n-th of a run's items, evenly spread; n doubles when there are more than `limit`."""

    def __init__(self, limit: int) -> None:
        self.items: list[T] = []
        self._limit, self._every, self._seen = limit, 1, 0

    def add(self, make: Callable[[], T]) -> bool:
        """Take the next item, which is made, and True returned, only when it is kept."""
        kept = self._seen % self._every == 0
        self._seen += 1
        if kept:
            self.items.append(make())
        if len(self.items) > self._limit:
            self.items, self._every = self.items[::2], 2 * self._every
        return kept


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame, or several of a long run: number, mean depth, lowest score, longest time, worst state."""

    frames: int
    depth: float
    score: float
    seconds: float
    state: str

    def with_next(self, other: "Moment") -> "Moment":
        frames = self.frames + other.frames
        return Moment(
            frames,
            (self.depth * self.frames + other.depth * other.frames) / frames,
            min(self.score, other.score),
            max(self.seconds, other.seconds),
            max(self.state, other.state, key=lambda state: WORST[state]),
        )


class History:
    """Counts, times and a timeline of the frames that were tracked; what a person gave is not among them.

    Attributes:
        frames: how many; lost: how many of them LOST.
        depths: how many stopped at each depth.
    """

    def __init__(self) -> None:
        self.frames = self.lost = self._depth_sum = 0
        self.depths: Counter[int] = Counter()
        self.moments: list[Moment] = []
        self._per_moment = 1
        self._seconds: Thinned[float] = Thinned(SAMPLE)
        self._spans: list[tuple[int, int]] = []
        self._more_spans = 0

    def add(self, number: int, seen: Prediction) -> None:
        """Take the answer for frame `number` of the source."""
        self.frames += 1
        self.depths[seen.depth] += 1
        self._depth_sum += seen.depth
        self._seconds.add(lambda: seen.seconds)
        if seen.state == LOST:
            self.lost += 1
            self._extend_spans(number)
        self._extend_moments(Moment(1, seen.depth, seen.score, seen.seconds, seen.state))

    def _extend_spans(self, number: int) -> None:
        if self._spans and self._spans[-1][1] == number - 1:
            self._spans[-1] = self._spans[-1][0], number
            return
        self._spans.append((number, number))
        if len(self._spans) > SPANS_NAMED + 1:  # the last one may still grow
            del self._spans[-2]
            self._more_spans += 1

    def _extend_moments(self, moment: Moment) -> None:
        if self.moments and self.moments[-1].frames < self._per_moment:
            self.moments[-1] = self.moments[-1].with_next(moment)
            return
        self.moments.append(moment)
        if len(self.moments) > 2 * MOMENTS:
            pairs = zip(self.moments[0:-1:2], self.moments[1:-1:2], strict=False)
            self.moments = [*(a.with_next(b) for a, b in pairs), moment]
            self._per_moment *= 2

    @property
    def mean_depth(self) -> float:
        return self._depth_sum / self.frames if self.frames else 0.0

    def percentiles_ms(self, *percents: float) -> list[float]:
        """Return percentiles of an update's time; of an even sample beyond SAMPLE frames."""
        return [float(ms) for ms in np.percentile(self._seconds.items or [0.0], percents) * 1e3]

    def lost_spans(self) -> list[str]:
        """Return the first spans of LOST frames in words, and what is to be said of the rest."""
        named = [f"lost in frames {a} to {b}" for a, b in self._spans[:SPANS_NAMED]]
        if len(self._spans) <= SPANS_NAMED:
            return named
        a, b = self._spans[-1]
        return [*named, f"and in {self._more_spans + 1} more spans, the last {a} to {b}"]
