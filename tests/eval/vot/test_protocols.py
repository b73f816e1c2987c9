import numpy as np
import pytest

from eval.data.regions import rectangle
from eval.vot.protocols import (
    FAILURE,
    INITIALIZATION,
    SEEN,
    UNKNOWN,
    Annotated,
    anchor_orders,
    anchor_runs,
    anchor_scores,
    reset_eao_curve,
    reset_run,
    reset_scores,
    spaced_anchors,
)
from tests.eval.conftest import Follower

FRAMES = [np.zeros((120, 160, 3), np.uint8)] * 30


def sequence(count: int = 30, jump: int | None = None) -> Annotated:
    """A target that moves as Follower believes, and from frame `jump` on stands elsewhere."""
    truth = [rectangle((10 + 2 * i, 20, 30, 24)) for i in range(count)]
    if jump is not None:
        truth[jump:] = [rectangle((110, 80, 30, 24))] * (count - jump)
    return Annotated("painted", truth, (160, 120), spaced_anchors(truth, 10))


def test_a_perfect_run_never_fails():
    done = reset_run(Follower(), FRAMES, sequence())
    assert done.marks == [INITIALIZATION] + [SEEN] * 29
    scores = reset_scores([(sequence(), [done])], low=5, high=20)
    assert (scores.accuracy, scores.robustness) == (1.0, 0.0)
    assert scores.eao == pytest.approx(1.0)


def test_a_failure_is_followed_by_a_start_five_frames_later():
    done = reset_run(Follower(), FRAMES, sequence(jump=12))
    assert done.marks[12] == FAILURE
    assert done.marks[13:17] == [UNKNOWN] * 4
    assert done.marks[17] == INITIALIZATION


def test_accuracy_leaves_out_ten_frames_after_a_start():
    done = reset_run(Follower(15), FRAMES, sequence())
    scores = reset_scores([(sequence(), [done])], low=5, high=20)
    assert scores.accuracy == pytest.approx(15 / 45)


def test_the_curve_by_hand():
    """One fragment of four frames that failed, one of three that did not."""
    curve = reset_eao_curve([[0, 1.0, 0.5, 0.0], [0, 0.5, 0.5]], [True, False])
    assert curve.tolist() == pytest.approx([0, 0.75, (0.75 + 0.5) / 2, (1.5 / 3) / 1])


def test_clips_too_short_for_an_interval_have_no_eao_and_say_why():
    done = reset_run(Follower(), FRAMES, sequence())
    scores = reset_scores([(sequence(), [done])], low=108, high=371)
    assert scores.eao is None and "30 frames" in scores.why
    runs = anchor_runs(Follower(), FRAMES, sequence())
    scores = anchor_scores([(sequence(), runs)], low=115, high=755)
    assert scores.eao is None and "30 frames" in scores.why


def test_anchors_run_towards_the_longer_side():
    orders = anchor_orders(sequence())
    assert orders == [range(0, 30), range(10, 30), range(20, -1, -1), range(29, -1, -1)]


def test_anchor_runs_stop_counting_after_ten_bad_frames():
    """The follower believes in motion to the right; backwards it is wrong from the start."""
    annotated = sequence()
    runs = anchor_runs(Follower(), FRAMES, annotated)
    assert [len(r.regions) for r in runs] == [30, 20, 21, 30]
    scores = anchor_scores([(annotated, runs)], low=3, high=15)
    assert 0 < scores.robustness < 1
    forward = Annotated("f", annotated.truth, annotated.size, tuple([1] + [0] * 29))
    perfect = anchor_scores([(forward, [runs[0]])], low=3, high=15)
    assert perfect.robustness == 1.0
    assert perfect.accuracy == pytest.approx(29 / 30), "the first frame counts as 0, as in the toolkit"


def test_an_anchor_on_an_absent_target_is_named():
    truth = [None, *[rectangle((10, 10, 20, 20))] * 29]
    with pytest.raises(ValueError, match="anchor 0"):
        anchor_runs(Follower(), FRAMES, Annotated("x", truth, (160, 120), tuple([1] + [0] * 29)))
