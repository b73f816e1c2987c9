import numpy as np
import pytest

from tracker.draw import AMBER, GREEN, overlay, round_ticks, run_picture
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


@pytest.mark.parametrize("rows, shots", [(0, 1), (1, 1), (2, 2), (300, 6)])
def test_run_picture_of_any_length(rows, shots):
    frame = np.zeros((120, 160, 3), np.uint8)
    picture = run_picture(
        [(i, frame) for i in range(shots)], [prediction(TRACKED, 1 + i % 4) for i in range(rows)], 4
    )
    assert picture.shape[1] == 1280 and picture.dtype == np.uint8


@pytest.mark.parametrize(
    "high, ticks",
    [
        pytest.param(14.1, [0, 5, 10, 15], id="fives"),
        pytest.param(7.1, [0, 2, 4, 6, 8], id="twos"),
        pytest.param(4.0, [0, 1, 2, 3, 4], id="exactly"),
        pytest.param(0.3, [0, 0.1, 0.2, 0.3], id="below one"),
        pytest.param(130.0, [0, 50, 100, 150], id="beyond a hundred"),
        pytest.param(0.001, [0, 0.0005, 0.001], id="almost nothing"),
    ],
)
def test_ticks_are_round_numbers_up_to_what_is_shown(high, ticks):
    assert round_ticks(high) == pytest.approx(ticks)
