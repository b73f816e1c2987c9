"""A white square on black, and an engine that sees nothing else."""

import numpy as np
import pytest

from tests.fakes import GEOMETRY, SeeingEngine
from tracker import Tracker
from tracker.redetect import PATIENCE, Round, deepest, grid, shallowest
from tracker.state import LOST, TRACKED, TrackState

SIDE = 20


def picture(*places: tuple[int, int]) -> np.ndarray:
    """240×320 black with white squares of SIDE pixels at the corners given as (x, y)."""
    frame = np.zeros((240, 320, 3), np.uint8)
    for x, y in places:
        frame[y : y + SIDE, x : x + SIDE] = 255
    return frame


def started(manifest, engine, budget=None) -> Tracker:
    tracker = Tracker(engine, manifest, budget)
    tracker.init(picture((40, 40)), (40, 40, SIDE, SIDE))
    return tracker


@pytest.mark.parametrize(
    "size, target",
    [
        pytest.param((320, 240), (40.0, 40.0, 20.0, 20.0), id="small"),
        pytest.param((320, 240), (300.0, 220.0, 20.0, 20.0), id="in a corner"),
        pytest.param((641, 199), (10.0, 10.0, 50.0, 20.0), id="wide"),
        pytest.param((320, 240), (20.0, 20.0, 200.0, 100.0), id="larger than half the frame"),
    ],
)
def test_every_place_of_the_frame_lies_in_a_window_with_its_surroundings(size, target):
    """The template's window of a 20×20 target is 40 px: at every place it fits into one of the grid."""
    state = TrackState.at(target, *size)
    windows = grid(state, GEOMETRY)
    context = state.template_window().side
    for x in range(0, size[0] - context, 3):
        for y in range(0, size[1] - context, 3):
            assert any(
                v.x0 - 1 <= x
                and v.y0 - 1 <= y
                and x + context <= v.x0 + v.side + 1
                and y + context <= v.y0 + v.side + 1
                for v in windows
            )
    assert {v.side for v in windows} == {state.search_window(GEOMETRY).side}


def test_near_windows_come_first():
    state = TrackState.at((40, 40, SIDE, SIDE), 320, 240)
    distances = [np.hypot(v.x0 + v.side / 2 - 50, v.y0 + v.side / 2 - 50) for v in grid(state, GEOMETRY)]
    assert distances == sorted(distances) and len(distances) == 7 * 5


def test_one_window_is_enough_for_a_large_target():
    (window,) = grid(TrackState.at((0, 0, 300, 200), 320, 240), GEOMETRY)
    assert (window.x0 + window.side / 2, window.y0 + window.side / 2) == pytest.approx((160, 120), abs=0.5)


@pytest.mark.parametrize(
    "taus, first, last",
    [
        pytest.param((0.5, 0.5, 0.5), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), id="adaptive"),
        pytest.param((1.0, 0.5, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 1.0), id="without exit 1"),
        pytest.param((1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 0.0, 0.0), id="depth 2 always"),
        pytest.param((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), id="full"),
        pytest.param((), (), (), id="one stage only"),
    ],
)
def test_cheap_and_deep_looks_stay_within_the_budget(taus, first, last):
    assert (shallowest(taus), deepest(taus)) == (first, last)


@pytest.mark.parametrize("budget", [None, "full", "depth:1", "depth:3"])
def test_a_target_that_returns_elsewhere_is_found(manifest, budget):
    tracker = started(manifest, SeeingEngine(), budget)
    for _ in range(PATIENCE + 3):
        assert tracker.update(picture()).state == LOST
    seen = [tracker.update(picture((250, 180))) for _ in range(7 * 5 + 1)]
    found = next(i for i, p in enumerate(seen) if p.present)
    assert all(p.state == TRACKED for p in seen[found:])
    x, y, w, h = seen[-1].box
    assert (x + w / 2, y + h / 2) == pytest.approx((260, 190), abs=3)


def test_a_gap_shorter_than_patience_is_no_reason_to_look_elsewhere(manifest):
    tracker = started(manifest, SeeingEngine())
    for _ in range(PATIENCE - 1):
        tracker.update(picture())
        assert tracker._round == Round()


def test_a_lost_frame_costs_one_shallow_look_more(manifest):
    """Stages of 10, 10, 20, 40 MMAC: a lost frame goes to the end, 80; depth 1 of one window more, 10."""
    tracker = started(manifest, SeeingEngine())
    costs = [tracker.update(picture()).macs for _ in range(PATIENCE + 2)]
    assert costs == [80e6] * (PATIENCE - 1) + [90e6] * 3


def test_a_look_alike_that_only_the_first_exit_believes_is_not_adopted(manifest):
    """It is looked at as deep as the budget goes, once; in between the old place is not given up."""
    engine = SeeingEngine(lambda k: 0.9 if k == 1 else 0.4)
    tracker = started(manifest, engine)
    for _ in range(PATIENCE):
        tracker.update(picture())
    at = tracker._state
    for _ in range(80):
        assert tracker.update(picture((250, 180))).state == LOST
        assert (tracker._state.cx, tracker._state.cy) == pytest.approx((at.cx, at.cy), abs=SIDE)


def test_a_claim_that_is_gone_in_the_next_frame_is_not_adopted(manifest):
    tracker = started(manifest, SeeingEngine())
    for _ in range(PATIENCE):
        tracker.update(picture())
    for i in range(80):
        assert not tracker.update(
            picture((250, 180)) if tracker._round.claim is None else picture()
        ).present, i


def test_a_target_at_its_old_place_is_found_there_at_once(manifest):
    tracker = started(manifest, SeeingEngine())
    for _ in range(PATIENCE + 20):
        tracker.update(picture())
    assert tracker.update(picture((40, 40))).state == TRACKED


def test_init_forgets_the_search(manifest):
    tracker = started(manifest, SeeingEngine())
    for _ in range(PATIENCE + 5):
        tracker.update(picture())
    tracker.init(picture((40, 40)), (40, 40, SIDE, SIDE))
    assert tracker._round == Round()
