import cv2
import numpy as np
import pytest

from tracker.draw import AMBER, GREEN, overlay
from tracker.state import LOST, TRACKED, UNSURE
from tracker.tracker import Prediction

BOX = (60.0, 40.0, 80.0, 60.0)


def prediction(state: str, depth: int = 2) -> Prediction:
    return Prediction(BOX, 0.7, state != LOST, depth, 0.004, state)


def on_the_left_edge(picture: np.ndarray, colour) -> float:
    """Share of the box's left edge that shows the colour."""
    edge = picture[44:96, 58:63].astype(int)
    near = (np.abs(edge - np.array(colour)) < 60).all(2).any(1)
    return float(near.mean())


@pytest.mark.parametrize(
    "state, colour, low, high",
    [
        pytest.param(TRACKED, GREEN, 0.95, 1.0, id="solid green"),
        pytest.param(UNSURE, AMBER, 0.3, 0.85, id="dashed amber"),
        pytest.param(LOST, GREEN, 0.0, 0.0, id="none"),
        pytest.param(LOST, AMBER, 0.0, 0.0, id="none, nor amber"),
    ],
)
def test_state_is_told_by_colour_and_line(state, colour, low, high):
    picture = overlay(np.zeros((240, 320, 3), np.uint8), prediction(state), 4)
    assert low <= on_the_left_edge(picture, colour) <= high


def test_the_frame_is_not_drawn_on():
    frame = np.zeros((240, 320, 3), np.uint8)
    overlay(frame, prediction(TRACKED), 4)
    assert not frame.any()


def test_the_panel_lights_a_cell_for_each_stage():
    frame = np.zeros((240, 320, 3), np.uint8)

    def lit(depth: int) -> int:
        panel = overlay(frame, prediction(TRACKED, depth), 4)[200:]
        return int((np.abs(panel.astype(int) - np.array(GREEN)) < 20).all(2).sum())

    cells = [lit(k) for k in (1, 2, 3, 4)]
    assert cells[0] > 0 and np.allclose(np.diff(cells), cells[0], rtol=0.2)
    assert not overlay(frame, prediction(LOST), 4, panel=False).any()


@pytest.mark.parametrize("box", [(-500.0, -500.0, 2000.0, 2000.0), (319.0, 239.0, 0.5, 0.5)])
def test_boxes_beyond_the_frame_are_drawn_without_fault(box):
    seen = Prediction(box, 0.5, True, 1, 0.001, UNSURE)
    assert overlay(np.zeros((240, 320, 3), np.uint8), seen, 4).shape == (240, 320, 3)


@pytest.mark.parametrize("state", [TRACKED, UNSURE])
@pytest.mark.parametrize("box", [(100.0, 100.0, 8.0, 8.0), (60.0, 40.0, 80.0, 60.0)], ids=["small", "large"])
def test_lines_run_around_the_target_and_not_over_it(state, box):
    seen = Prediction(box, 0.7, True, 2, 0.004, state)
    picture = overlay(np.zeros((240, 320, 3), np.uint8), seen, 4, panel=False)
    x, y, w, h = (int(v) for v in box)
    assert not picture[y : y + h, x : x + w].any() and picture.any()


@pytest.mark.parametrize("size", [(120, 160), (240, 320), (1920, 1080), (2160, 3840), (320, 180)])
@pytest.mark.parametrize("where", ["top", "bottom"])
def test_the_panel_leaves_the_target_visible(size, where):
    """A target of a tenth of the frame's height, at either end; the panel darkens grey where it lies."""
    height, width = size
    box = (width * 0.02, 0.0 if where == "top" else height * 0.9, width * 0.2, height * 0.1)
    seen = Prediction(box, 0.7, True, 2, 0.004, TRACKED)
    frame = np.full((height, width, 3), 200, np.uint8)
    picture = overlay(frame, seen, 4, notes=("frame 12", "default"))
    x0, y0, x1, y1 = round(box[0]), round(box[1]), round(box[0] + box[2]), round(box[1] + box[3])
    assert (picture[y0:y1, x0:x1] == 200).all()
    assert (picture == 200).all(2).mean() > 0.7


@pytest.mark.parametrize("width", [40, 160, 320, 640, 3840])
def test_words_of_the_panel_do_not_touch_nor_leave_the_frame(monkeypatch, width):
    spans = []

    def put(out, word, at, font, size, *rest) -> None:
        spans.append((at[0], at[0] + cv2.getTextSize(word, font, size, 1)[0][0], word))

    monkeypatch.setattr(cv2, "putText", put)
    frame = np.zeros((width * 3 // 4, width, 3), np.uint8)
    overlay(frame, prediction(UNSURE), 4, notes=("frame 12", "default"))
    words = [word for _, _, word in spans]
    assert words == ["UNSURE", "0.70", "4.0 ms", "frame 12", "default"][: len(words)]
    assert len(words) == 5 if width >= 640 else len(words) >= (2 if width >= 160 else 0)
    assert all(a[1] + 4 < b[0] for a, b in zip(spans, spans[1:], strict=False))
    assert all(end <= width for _, end, _ in spans)
