import pytest

from tests.fakes import GEOMETRY
from tracker.crop import context_side
from tracker.decode import Candidate
from tracker.manifest import DecodeConstants, StateConstants
from tracker.state import LOST, MIN_SIDE, TRACKED, UNSURE, TrackState

DECODE, LIMITS = DecodeConstants(0.4, 0.1, 0.5), StateConstants(unsure=0.5, lost=0.25)


def at(*box: float) -> TrackState:
    return TrackState.at((box[0], box[1], box[2], box[3]), 320, 240)


def test_box_and_centre():
    state = at(10, 20, 30, 40)
    assert (state.cx, state.cy) == (25, 40)
    assert state.box == (10, 20, 30, 40)


@pytest.mark.parametrize(
    "score, verdict",
    [(0.9, TRACKED), (0.5, TRACKED), (0.49, UNSURE), (0.25, UNSURE), (0.24, LOST), (float("nan"), LOST)],
)
def test_verdict_by_score(score, verdict):
    assert at(10, 20, 30, 40).follow(Candidate(40, 40, 30, 40, score, 1.0), DECODE, LIMITS).verdict == verdict


def test_size_follows_at_penalty_times_score_times_rate():
    state = at(0, 0, 40, 40).follow(Candidate(30, 30, 60, 40, 0.8, 0.5), DECODE, LIMITS)
    assert state.w == pytest.approx(40 + 20 * 0.8 * 0.5 * 0.5)
    assert (state.cx, state.cy) == (30, 30)


def test_a_lost_target_neither_moves_nor_grows():
    before = at(10, 20, 30, 40)
    state = before.follow(Candidate(300, 200, 300, 200, 0.1, 1.0), DECODE, LIMITS)
    assert state.box == before.box


def test_the_box_never_outgrows_the_frame():
    state = at(10, 20, 30, 40)
    for _ in range(200):
        state = state.follow(Candidate(1e6, -1e6, 1e6, 1e6, 1.0, 1.0), DECODE, LIMITS)
    assert (state.cx, state.cy, state.w, state.h) == (320, 0, 320, 240)
    assert state.search_window(GEOMETRY).side == round(2 * context_side(320, 240))


def test_the_box_never_vanishes():
    state = at(10, 20, 30, 40)
    for _ in range(200):
        state = state.follow(Candidate(20, 20, 0.0, 0.0, 1.0, 1.0), DECODE, LIMITS)
    assert (state.w, state.h) == (MIN_SIDE, MIN_SIDE)
