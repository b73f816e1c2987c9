import numpy as np
import pytest

from eval.contenders.controls import RandomDepth
from tests.fakes import FakeEngine, answer
from tracker import Tracker

FRAME = np.zeros((120, 160, 3), np.uint8)


def depths(control: RandomDepth, frames: int) -> list[int]:
    control.init(FRAME, (50, 40, 30, 30))
    return [control.update(FRAME).depth for _ in range(frames)]


def test_shares_are_a_quota_whatever_the_gates_say(manifest):
    """Also of a short clip: nothing is left to chance but the order."""
    tracker = Tracker(FakeEngine(lambda k: answer(gate=0.99)), manifest)
    for seed in range(5):
        drawn = depths(RandomDepth(tracker, [0.4, 0.3, 0.0, 0.3], updates=90, seed=seed), 90)
        assert np.bincount(drawn, minlength=5)[1:] == pytest.approx([36, 27, 0, 27], abs=1)


def test_every_sequence_has_its_own_order_and_a_repetition_the_same(manifest):
    tracker = Tracker(FakeEngine(lambda k: answer()), manifest)
    one, same, other = (depths(RandomDepth(tracker, [1, 1, 1, 1], 50, seed), 50) for seed in (3, 3, 4))
    assert one == same != other


def test_more_updates_than_planned_begin_the_quota_again(manifest):
    control = RandomDepth(Tracker(FakeEngine(lambda k: answer()), manifest), [1, 1, 1, 1], 4, 0)
    assert sorted(depths(control, 8)) == [1, 1, 2, 2, 3, 3, 4, 4]
