"""What a gate must beat: the same tracker at depths drawn by chance."""

import numpy as np
import numpy.typing as npt

from eval.contenders.base import Answer, answer_of
from tracker import Tracker
from tracker.arrays import Image
from tracker.boxes import Box


class RandomDepth:
    """Stops at depth k in the share `shares[k − 1]` of its updates, in an order that chance decides.

    The quota is exact to one update, so that what is compared with the gates
    is their choice of frames and not another mean depth. Every init shuffles anew.

    Args:
        shares: D weights, one a depth.
        updates: between one init and the next; more of them begin the quota again.
        seed: of the order; give every sequence its own.
    """

    def __init__(self, tracker: Tracker, shares: npt.ArrayLike, updates: int, seed: int) -> None:
        self._tracker = tracker
        self._rng = np.random.default_rng(seed)
        weights = np.asarray(shares, np.float64)
        self._ends = weights.cumsum()[:-1] / weights.sum()
        self._updates = max(1, updates)

    def init(self, frame: Image, box: Box) -> None:
        quota = (np.arange(self._updates) + self._rng.random()) / self._updates
        self._depths = 1 + self._rng.permutation(np.searchsorted(self._ends, quota, side="right"))
        self._at = 0
        self._tracker.budget = "full"
        self._tracker.init(frame, box)

    def update(self, frame: Image) -> Answer:
        self._tracker.budget = f"depth:{self._depths[self._at % self._updates]}"
        self._at += 1
        return answer_of(self._tracker.update(frame))
