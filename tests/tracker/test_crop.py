import cv2
import numpy as np
import pytest

from tracker.crop import CropPyramid, Window, context_side, cut, window_at


def test_context_side_of_siamfc():
    """w = 40, h = 60: p = (w + h) / 4 on each side gives sqrt(90 · 110)."""
    assert context_side(40, 60) == pytest.approx(np.sqrt(90 * 110))


@pytest.mark.parametrize(
    "cx, cy, side, expected",
    [
        pytest.param(50, 50, 10, Window(45, 45, 10), id="even"),
        pytest.param(50.5, 50.5, 11, Window(45, 45, 11), id="odd"),
        pytest.param(0, 0, 10, Window(-5, -5, 10), id="over the corner"),
        pytest.param(3, 3, 0.1, Window(2, 2, 2), id="never below two pixels"),
    ],
)
def test_window_at(cx, cy, side, expected):
    assert window_at(cx, cy, side) == expected


def test_inside_the_frame_it_is_a_resize(frame):
    got = cut(frame, Window(20, 30, 100), 64, (0, 0, 0))
    assert np.array_equal(got, cv2.resize(frame[30:130, 20:120], (64, 64), interpolation=cv2.INTER_LINEAR))


def test_shrinking_by_more_than_two_is_close_to_averaging_areas(frame):
    smooth = cv2.GaussianBlur(frame, (0, 0), 2)
    for side in (130, 170, 220):
        got = cut(smooth, Window(5, 5, side), 64, (0, 0, 0)).astype(int)
        areas = cv2.resize(smooth[5 : 5 + side, 5 : 5 + side], (64, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(got - areas).mean() < 1
    board = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (64, 64))[..., None].repeat(3, 2)
    assert np.ptp(cut(board, Window(0, 0, 128), 32, (0, 0, 0))) <= 1


def test_a_pyramid_gives_the_crops_of_cut_and_resizes_a_window_once(frame, monkeypatch):
    window, resize, calls = Window(10, 10, 200), cv2.resize, []
    expected = {s: cut(frame, window, s, (0, 0, 0)) for s in (64, 128)}
    monkeypatch.setattr(cv2, "resize", lambda *a, **k: calls.append(a[1]) or resize(*a, **k))
    crops = CropPyramid(frame, window, (0, 0, 0))
    for side, picture in expected.items():
        assert np.array_equal(crops[side], picture)
    assert calls == [(128, 128), (64, 64)]


@pytest.mark.parametrize(
    "window",
    [
        pytest.param(Window(-10, -10, 40), id="over the top left"),
        pytest.param(Window(300, 220, 60), id="over the bottom right"),
        pytest.param(Window(-50, -50, 600), id="larger than the frame"),
    ],
)
def test_outside_is_filled(frame, window):
    got = cut(frame, window, window.side, (1, 2, 3))
    for v in range(0, window.side, 7):
        for u in range(0, window.side, 7):
            x, y = window.x0 + u, window.y0 + v
            inside = 0 <= x < 320 and 0 <= y < 240
            assert tuple(got[v, u]) == (tuple(frame[y, x]) if inside else (1, 2, 3))


def test_a_window_wholly_outside_is_all_fill(frame):
    assert (cut(frame, Window(1000, 1000, 50), 16, (9, 8, 7)) == (9, 8, 7)).all()


def test_crop_neither_modifies_nor_shares_the_frame(frame):
    before = frame.copy()
    got = cut(frame, Window(0, 0, 64), 64, (0, 0, 0))
    got[:] = 0
    assert np.array_equal(frame, before)


def test_both_sizes_show_the_same_pixels():
    ramp = np.tile(np.arange(200, dtype=np.uint8), (200, 1))[..., None].repeat(3, 2)
    window = Window(40, 40, 128)
    large, small = cut(ramp, window, 256, (0, 0, 0)), cut(ramp, window, 128, (0, 0, 0))
    assert np.abs(cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA).astype(int) - small).max() <= 1
