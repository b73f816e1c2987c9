import numpy as np
import pytest

from eval.controls import RandomDepth
from tests.fakes import FakeEngine, answer
from tracker import Tracker

FRAME = np.zeros((120, 160, 3), np.uint8)


def depths(control: RandomDepth, frames: int) -> list[int]:
    control.init(FRAME, (50, 40, 30, 30))
    return [control.update(FRAME).depth for _ in range(frames)]


def test_depths_are_drawn_with_the_given_shares_whatever_the_gates_say(manifest):
    tracker = Tracker(FakeEngine(lambda k: answer(gate=0.99)), manifest)
    drawn = depths(RandomDepth(tracker, [0.4, 0.3, 0.2, 0.1]), 3000)
    assert np.bincount(drawn, minlength=5)[1:] / 3000 == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.03)


def test_the_draw_is_the_same_for_every_init(manifest):
    control = RandomDepth(Tracker(FakeEngine(lambda k: answer()), manifest), [1, 1, 1, 1])
    assert depths(control, 50) == depths(control, 50)
