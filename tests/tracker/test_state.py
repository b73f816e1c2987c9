import pytest

from tests.fakes import GEOMETRY
from tracker.crop import context_side
from tracker.decode import Candidate
from tracker.manifest import DecodeConstants, StateConstants
from tracker.state import LOST, MIN_SIDE, TRACKED, UNSURE, TrackState

DECODE = DecodeConstants(0.4, 0.1, 0.5)
LIMITS = StateConstants(unsure=(0.5, 0.8), lost=(0.25, 0.6), found=(0.9, 0.9))


def at(*box: float) -> TrackState:
    return TrackState.at((box[0], box[1], box[2], box[3]), 320, 240)


def test_box_and_centre():
    state = at(10, 20, 30, 40)
    assert (state.cx, state.cy) == (25, 40)
    assert state.box == (10, 20, 30, 40)


def seen(score: float, cx: float = 30, cy: float = 30, w: float = 60, h: float = 40) -> Candidate:
    return Candidate(cx, cy, w, h, score, 1.0)


@pytest.mark.parametrize(
    "depth, score, verdict",
    [
        (1, 0.9, TRACKED),
        (1, 0.5, TRACKED),
        (1, 0.49, UNSURE),
        (1, 0.25, UNSURE),
        (1, 0.24, LOST),
        (1, float("nan"), LOST),
        pytest.param(2, 0.79, UNSURE, id="a score means another thing at another exit"),
        pytest.param(2, 0.59, LOST, id="and is lost there"),
    ],
)
def test_verdict_by_score_and_exit(depth, score, verdict):
    assert at(10, 20, 30, 40).follow(seen(score), depth, DECODE, LIMITS).verdict == verdict


def test_size_follows_at_penalty_times_score_times_rate():
    state = at(0, 0, 40, 40).follow(Candidate(30, 30, 60, 40, 0.8, 0.5), 1, DECODE, LIMITS)
    assert state.w == pytest.approx(40 + 20 * 0.8 * 0.5 * 0.5)
    assert (state.cx, state.cy) == (30, 30)


def test_a_lost_target_is_followed_and_keeps_its_size():
    state = at(10, 20, 30, 40).follow(seen(0.1, 200, 150, 300, 200), 1, DECODE, LIMITS)
    assert (state.cx, state.cy, state.w, state.h) == (200, 150, 30, 40)


def test_a_lost_target_is_back_only_when_it_is_tracked():
    state, verdicts = at(10, 20, 30, 40), []
    for score in (0.3, 0.1, 0.3, 0.49, 0.5, 0.3):
        state = state.follow(seen(score), 1, DECODE, LIMITS)
        verdicts.append((state.verdict, state.lost))
    assert verdicts == [(UNSURE, 0), (LOST, 1), (LOST, 2), (LOST, 3), (TRACKED, 0), (UNSURE, 0)]


def test_the_box_never_outgrows_the_frame():
    state = at(10, 20, 30, 40)
    for _ in range(200):
        state = state.follow(Candidate(1e6, -1e6, 1e6, 1e6, 1.0, 1.0), 1, DECODE, LIMITS)
    assert (state.cx, state.cy, state.w, state.h) == (320, 0, 320, 240)
    assert state.search_window(GEOMETRY).side == round(2 * context_side(320, 240))


def test_the_box_never_vanishes():
    state = at(10, 20, 30, 40)
    for _ in range(200):
        state = state.follow(Candidate(20, 20, 0.0, 0.0, 1.0, 1.0), 1, DECODE, LIMITS)
    assert (state.w, state.h) == (MIN_SIDE, MIN_SIDE)
