"""What a gate must beat: the same tracker at depths drawn by chance."""

import numpy as np
import numpy.typing as npt

from eval.runner import Answer
from tracker import Tracker
from tracker.boxes import Box


class RandomDepth:
    """Stops at depth k with probability `shares[k − 1]`, whatever the frame shows; seeded at every init."""

    def __init__(self, tracker: Tracker, shares: npt.ArrayLike, seed: int = 0) -> None:
        self._tracker, self._seed = tracker, seed
        weights = np.asarray(shares, np.float64)
        self._shares = weights / weights.sum()

    def init(self, frame: npt.NDArray[np.uint8], box: Box) -> None:
        self._rng = np.random.default_rng(self._seed)
        self._tracker.budget = "full"
        self._tracker.init(frame, box)

    def update(self, frame: npt.NDArray[np.uint8]) -> Answer:
        self._tracker.budget = f"depth:{1 + self._rng.choice(len(self._shares), p=self._shares)}"
        seen = self._tracker.update(frame)
        return Answer(seen.box, seen.depth, seen.score)
