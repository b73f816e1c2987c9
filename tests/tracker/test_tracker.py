import numpy as np
import pytest

from tests.fakes import FakeEngine, answer
from tracker import BoxError, FrameError, ModelError, Tracker
from tracker.engine import StageOutput
from tracker.state import LOST, TRACKED, UNSURE

BOX = (100.0, 80.0, 40.0, 30.0)


def started(manifest, frame, script, budget=None) -> tuple[Tracker, FakeEngine]:
    engine = FakeEngine(script)
    tracker = Tracker(engine, manifest, budget)
    tracker.init(frame, BOX)
    return tracker, engine


def test_nothing_deeper_runs_after_a_stop(manifest, frame):
    tracker, engine = started(manifest, frame, lambda k: answer(gate=0.9 if k == 2 else 0.1))
    assert tracker.update(frame).depth == 2
    assert engine.calls == [(1, 128), (2, None)]


def test_the_large_crop_is_cut_only_for_the_stage_that_asks(manifest, frame):
    tracker, engine = started(manifest, frame, lambda k: answer(gate=0.1))
    assert tracker.update(frame).depth == 4
    assert engine.calls == [(1, 128), (2, None), (3, 256), (4, None)]


@pytest.mark.parametrize(
    "budget, passed, called",
    [
        pytest.param("full", [(1, 128), (2, None), (3, 256)], [(4, None)], id="full"),
        pytest.param("depth:2", [(1, 128)], [(2, None)], id="depth 2"),
        pytest.param("depth:1", [], [(1, 128)], id="depth 1"),
    ],
)
def test_exits_that_cannot_be_taken_are_not_evaluated(manifest, frame, budget, passed, called):
    tracker, engine = started(manifest, frame, lambda k: answer(gate=0.99), budget)
    tracker.update(frame)
    assert (engine.passed, engine.calls) == (passed, called)


def test_a_still_target_stays(manifest, frame):
    """The engine sees the target in the middle of the window, as large as it is."""
    tracker, _ = started(manifest, frame, lambda k: answer((8, 8)))
    side = tracker._state.search_window(manifest.geometry).side
    strides = 256 / side / 16
    output = answer((8, 8))
    output.ltrb[0, :, 8, 8] = (20 * strides, 15 * strides, 20 * strides, 15 * strides)
    tracker._engine.script = lambda k: output
    assert tracker.update(frame).box == pytest.approx(BOX, abs=0.6)


def test_the_template_is_cut_in_both_sizes_around_the_box(manifest, frame):
    _, engine = started(manifest, frame, lambda k: answer())
    assert {side: crop.shape for side, crop in engine.template_crops.items()} == {
        64: (1, 64, 64, 3),
        128: (1, 128, 128, 3),
    }


def test_a_low_score_is_lost_and_the_search_goes_on_where_it_was_best(manifest, frame):
    """40×30 at (100, 80): the window is 140 px; cell (1, 1) is 7 · 16 crop pixels off the centre."""
    tracker, _ = started(manifest, frame, lambda k: answer((1, 1), score=0.1))
    seen = tracker.update(frame)
    assert (seen.state, seen.present, seen.box[2:]) == (LOST, False, BOX[2:])
    assert seen.box[:2] == pytest.approx((100 - 112 * 140 / 256, 80 - 112 * 140 / 256), abs=1)


@pytest.mark.parametrize(
    "scores, depth, state",
    [
        pytest.param((0.9, 0.9, 0.9, 0.9), 1, TRACKED, id="sure at once"),
        pytest.param((0.3, 0.3, 0.9, 0.9), 3, TRACKED, id="sure at the third"),
        pytest.param((0.3, 0.1, 0.1, 0.3), 4, UNSURE, id="never sure"),
        pytest.param((0.3, 0.1, 0.1, 0.1), 4, LOST, id="lost at every exit"),
    ],
)
def test_a_gate_that_stops_is_not_believed_where_the_target_is_not(manifest, frame, scores, depth, state):
    tracker, _ = started(manifest, frame, lambda k: answer(score=scores[k - 1], gate=0.9))
    seen = tracker.update(frame)
    assert (seen.depth, seen.state) == (depth, state)
    assert seen.macs == manifest.macs((0.5, 0.5, 0.5), depth)


def test_a_fixed_depth_is_kept_whatever_the_score(manifest, frame):
    tracker, _ = started(manifest, frame, lambda k: answer(score=0.1), "depth:2")
    assert tracker.update(frame).depth == 2


def broken(value: float) -> StageOutput:
    output = answer((1, 1))
    output.score[:] = value
    return output


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_never_enter_the_state(manifest, frame, value):
    tracker, engine = started(manifest, frame, lambda k: broken(value))
    for _ in range(5):
        seen = tracker.update(frame)
        assert (seen.state, seen.score) == (LOST, 0)
        assert seen.box == pytest.approx(BOX, abs=0.5)
    engine.script = lambda k: answer()
    assert tracker.update(frame).state == TRACKED


@pytest.mark.parametrize(
    "wrong, error",
    [
        pytest.param(lambda engine: None, BoxError, id="a box outside"),
        pytest.param(
            lambda engine: setattr(engine, "template", lambda crops: 1 / 0), ZeroDivisionError, id="a crash"
        ),
        pytest.param(
            lambda engine: setattr(engine, "template", lambda crops: [np.full((1, 65, 96), np.nan)] * 4),
            ModelError,
            id="a template of NaN",
        ),
    ],
)
def test_a_failed_init_leaves_the_tracker_as_it_was(manifest, frame, wrong, error):
    tracker, engine = started(manifest, frame, lambda k: answer((8, 9)))
    twin, _ = started(manifest, frame, lambda k: answer((8, 9)))
    wrong(engine)
    box = (400.0, 0.0, 10.0, 10.0) if error is BoxError else (10.0, 10.0, 90.0, 90.0)
    with pytest.raises(error):
        tracker.init(np.zeros_like(frame), box)
    assert [tracker.update(frame).box for _ in range(3)] == [twin.update(frame).box for _ in range(3)]


def test_budget_may_change_at_any_time(manifest, frame):
    tracker, _ = started(manifest, frame, lambda k: answer(gate=0.6), "depth:3")
    assert tracker.update(frame).depth == 3
    tracker.budget = "full"
    assert tracker.update(frame).depth == 4
    tracker.budget = None
    assert (tracker.update(frame).depth, tracker.budget) == (1, None)


def test_update_before_init_says_so(manifest, frame):
    with pytest.raises(FrameError, match="init"):
        Tracker(FakeEngine(lambda k: answer()), manifest).update(frame)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.zeros((240, 320), np.uint8), id="grey"),
        pytest.param(np.zeros((240, 320, 4), np.uint8), id="alpha"),
        pytest.param(np.zeros((240, 320, 3), np.uint16), id="16 bit"),
        pytest.param(np.zeros((240, 320, 3), np.float32), id="float"),
        pytest.param(np.zeros((0, 320, 3), np.uint8), id="empty"),
        pytest.param(np.zeros((120, 160, 3), np.uint8), id="another size"),
        pytest.param([[1, 2, 3]], id="a list"),
    ],
)
def test_frames_of_another_kind_are_refused_and_the_track_goes_on(manifest, frame, wrong):
    tracker, _ = started(manifest, frame, lambda k: answer())
    with pytest.raises(FrameError, match="frame"):
        tracker.update(wrong)
    assert tracker.update(frame).state == TRACKED


def test_init_refuses_a_box_outside(manifest, frame):
    with pytest.raises(BoxError, match="outside"):
        Tracker(FakeEngine(lambda k: answer()), manifest).init(frame, (400, 0, 10, 10))


def test_an_unknown_engine_or_model_is_named():
    with pytest.raises(ModelError, match="onnx or torch"):
        Tracker.load(engine="tensorflow")
    with pytest.raises(ModelError, match="did you mean 'depthgate-s'"):
        Tracker.load("depthgate-x")


@pytest.fixture(scope="module")
def shot(request):
    from tracker.frames import open_source

    first, last, box = request.getfixturevalue("cyclist")
    with open_source(request.getfixturevalue("clip")) as source:
        frames = [f for i, f in enumerate(source) if first <= i <= last]
    return frames, box


def boxes_of(tracker: Tracker, frames, box) -> list[tuple[float, ...]]:
    tracker.init(frames[0], box)
    return [tracker.update(frame).box for frame in frames[1:]]


@pytest.mark.parametrize("budget", [None, "full", "depth:2", "0.1GMAC"])
def test_the_same_video_and_box_give_the_same_boxes(shot, budget):
    frames, box = shot
    tracker = Tracker.load(budget=budget)
    first = boxes_of(tracker, frames[:10], box)
    assert boxes_of(tracker, frames[:10], box) == first
    assert boxes_of(Tracker.load(budget=budget), frames[:10], box) == first


def test_two_trackers_do_not_disturb_each_other(shot):
    frames, box = shot
    other = (540.0, 150.0, 90.0, 110.0)
    alone = boxes_of(Tracker.load(), frames[:8], box), boxes_of(Tracker.load(), frames[:8], other)
    a, b = Tracker.load(), Tracker.load()
    a.init(frames[0], box), b.init(frames[0], other)
    both = [(a.update(f).box, b.update(f).box) for f in frames[1:8]]
    assert ([p for p, _ in both], [q for _, q in both]) == alone


def test_frames_are_not_modified(shot):
    frames, box = shot
    copies = [f.copy() for f in frames[:4]]
    boxes_of(Tracker.load(), frames[:4], box)
    assert all(np.array_equal(a, b) for a, b in zip(frames, copies, strict=False))


@pytest.mark.parametrize("budget", [None, "full", "depth:1"])
def test_the_cyclist_is_followed(shot, budget):
    """His helmet, found by eye in the last frame at (428, 20), is inside the last box; so is his hip."""
    frames, box = shot
    tracker = Tracker.load(budget=budget)
    x, y, w, h = boxes_of(tracker, frames, box)[-1]
    assert x < 428 < x + w and y < 40 and y + h > 130
    assert 0.5 < w * h / (box[2] * box[3]) < 3


def test_black_frames_lose_the_target_and_the_size_stays(shot):
    frames, box = shot
    tracker = Tracker.load()
    tracker.init(frames[0], box)
    seen = [tracker.update(np.zeros_like(frames[0])) for _ in range(20)]
    assert not seen[-1].present
    assert seen[-1].box[2] < 2 * box[2] and seen[-1].box[3] < 2 * box[3]


@pytest.mark.parametrize(
    "tiny", [(420.0, 40.0, 1.0, 1.0), (639.5, 271.5, 2.0, 2.0), (-50.0, -50.0, 60.0, 60.0)]
)
def test_tiny_boxes_and_boxes_on_the_edge_do_not_break_it(shot, tiny):
    frames, _ = shot
    for box in boxes_of(Tracker.load(), frames[:5], tiny):
        assert np.isfinite(box).all() and box[2] >= 1 and box[3] >= 1
