"""One target through one video in closed loop: init on the first visible box, then update."""

import time
from collections.abc import Sequence as Frames
from dataclasses import dataclass

import numpy as np

from eval.contenders.base import Answer, Contender
from eval.data.sequences import Sequence
from eval.onepass.metrics import Accuracy, accuracy
from tracker.arrays import Bools, Floats, Image, Ints
from tracker.errors import SourceError

START_SHIFTS = ((0.0, 0.0), (0.04, -0.04), (-0.04, 0.04))


@dataclass(frozen=True)
class Run:
    """Everything of one pass, a row a frame from the first visible one on.

    boxes: n×4, row 0 the given box; depths: n integers, 0 where there is
    none; scores: n, NaN where there is none; macs: n multiply-accumulates, 0
    where they are not known; present: n booleans; seconds: n − 1 wall times of update.
    """

    boxes: Floats
    depths: Ints
    scores: Floats
    macs: Ints
    present: Bools
    seconds: Floats
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
        SourceError: no visible box, or another number of frames than of boxes.
    """
    visible = np.flatnonzero(sequence.visible)
    count = len(sequence.boxes)
    if not len(visible):
        raise SourceError(f"{sequence.name}: the target is visible in no frame")
    if len(frames) != count:
        what = "video" if len(frames) < count else "annotation"
        raise SourceError(f"{sequence.name}: {len(frames)} frames for {count} boxes; is the {what} cut?")
    first = int(visible[0])
    x, y, w, h = (float(v) for v in sequence.boxes[first])
    start = (x + shift[0] * w, y + shift[1] * h, w, h)
    contender.init(frames[first], start)
    answers = [Answer(start)]
    seconds: list[float] = []
    for frame in frames[first + 1 :]:
        begun = time.perf_counter()
        answers.append(contender.update(frame))
        seconds.append(time.perf_counter() - begun)
    return Run(
        boxes=np.array([a.box for a in answers], np.float64),
        depths=np.array([a.depth for a in answers]),
        scores=np.array([a.score for a in answers], np.float64),
        macs=np.array([a.macs for a in answers]),
        present=np.array([a.present for a in answers]),
        seconds=np.asarray(seconds, np.float64),
        first=first,
    )
