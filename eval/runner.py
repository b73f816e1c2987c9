"""One target through one video in closed loop: init on the first visible box, then update."""

import math
import time
from collections.abc import Sequence as Frames
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from eval.metrics import Accuracy, accuracy
from eval.sequences import Sequence
from tracker import Tracker
from tracker.boxes import Box

Image = npt.NDArray[np.uint8]
START_SHIFTS = ((0.0, 0.0), (0.04, -0.04), (-0.04, 0.04))


@dataclass(frozen=True)
class Answer:
    """A frame's box, and depth and score where the contender has them."""

    box: Box
    depth: int = 0
    score: float = float("nan")


class Contender(Protocol):
    """Anything that tracks: ours, a peer, a control."""

    def init(self, frame: Image, box: Box) -> None: ...

    def update(self, frame: Image) -> Answer: ...


class Ours:
    """The tracker at one budget."""

    def __init__(self, tracker: Tracker, budget: str | None) -> None:
        self.tracker, self.budget = tracker, budget

    def init(self, frame: Image, box: Box) -> None:
        self.tracker.budget = self.budget
        self.tracker.init(frame, box)

    def update(self, frame: Image) -> Answer:
        seen = self.tracker.update(frame)
        return Answer(seen.box, seen.depth, seen.score)


@dataclass(frozen=True)
class Run:
    """Everything of one pass, a row a frame from the first visible one on.

    boxes: n×4, row 0 the given box; depths: n integers, 0 where there is
    none; scores: n, NaN where there is none; seconds: n − 1 wall times of update.
    """

    boxes: npt.NDArray[np.float64]
    depths: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    seconds: npt.NDArray[np.float64]
    first: int

    def accuracy(self, sequence: Sequence) -> Accuracy:
        rows = slice(self.first, self.first + len(self.boxes))
        return accuracy(self.boxes, sequence.boxes[rows], sequence.visible[rows])


def run(
    contender: Contender,
    frames: Frames[Image],
    sequence: Sequence,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Run:
    """Track `sequence` through its decoded frames; `shift` moves the start box by shares of its size.

    Raises:
        ValueError: no visible box, or fewer frames than boxes.
    """
    visible = np.flatnonzero(sequence.visible)
    count = len(sequence.boxes)
    if not len(visible):
        raise ValueError(f"{sequence.name}: the target is visible in no frame")
    if len(frames) < count:
        raise ValueError(f"{sequence.name}: {len(frames)} frames for {count} boxes; is the video truncated?")
    first = int(visible[0])
    x, y, w, h = (float(v) for v in sequence.boxes[first])
    start = (x + shift[0] * w, y + shift[1] * h, w, h)
    contender.init(frames[first], start)
    boxes, depths, scores, seconds = [start], [0], [math.nan], []
    for frame in frames[first + 1 : count]:
        begun = time.perf_counter()
        answer = contender.update(frame)
        seconds.append(time.perf_counter() - begun)
        boxes.append(answer.box)
        depths.append(answer.depth)
        scores.append(answer.score)
    return Run(
        boxes=np.asarray(boxes, np.float64),
        depths=np.asarray(depths),
        scores=np.asarray(scores, np.float64),
        seconds=np.asarray(seconds, np.float64),
        first=first,
    )
