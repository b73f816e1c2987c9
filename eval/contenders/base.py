"""What a contender is: anything that is given a box in one frame and answers with a box in every next one."""

from dataclasses import dataclass
from typing import Protocol

from tracker import Prediction, Tracker
from tracker.arrays import Image
from tracker.boxes import Box


@dataclass(frozen=True)
class Answer:
    """A frame's box, and what else the contender tells; `present` is False when it believes to have lost."""

    box: Box
    depth: int = 0
    score: float = float("nan")
    macs: int = 0
    present: bool = True


def answer_of(seen: Prediction) -> Answer:
    """Turn a prediction of the tracker into an answer."""
    return Answer(seen.box, seen.depth, seen.score, seen.macs, seen.present)


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
        return answer_of(self.tracker.update(frame))
