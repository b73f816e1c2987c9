import numpy as np
import pytest

from tracker.draw import GREEN
from tracker.history import Moment
from tracker.run_picture import LEFT, RIGHT, SHADES, WIDTH, round_ticks, run_picture, shot
from tracker.state import LOST, TRACKED, UNSURE
from tracker.tracker import Prediction


def moments(states) -> list[Moment]:
    return [Moment(1, 2.0, 0.8, 0.004, state) for state in states]


def picture_of(states, frame=None) -> np.ndarray:
    frame = np.zeros((120, 160, 3), np.uint8) if frame is None else frame
    shots = [(i, shot(frame, Prediction((9, 9, 9, 9), 0.7, True, 1, 0.004, TRACKED), 4)) for i in range(2)]
    return run_picture(shots, moments(states), 4, 1, (0.25, 0.5))


@pytest.mark.parametrize("count", [0, 1, 2, 300])
@pytest.mark.parametrize("size", [(120, 160), (2160, 3840), (1920, 1080), (9, 9)])
def test_a_picture_of_any_run_and_frame(count, size):
    picture = picture_of([TRACKED] * count, np.zeros((*size, 3), np.uint8))
    assert picture.shape[1] == WIDTH and picture.dtype == np.uint8 and picture.shape[0] < 2000


def shaded(picture, state) -> np.ndarray:
    """Columns of the timeline's last chart that have the shade of the state."""
    return np.flatnonzero((picture[-100] == SHADES[state]).all(1))


def test_lost_and_unsure_spans_are_shaded():
    picture = picture_of([TRACKED] * 50 + [LOST] * 30 + [UNSURE] * 20)
    across = WIDTH - LEFT - RIGHT
    lost, unsure = shaded(picture, LOST), shaded(picture, UNSURE)
    assert lost.min() == pytest.approx(LEFT + 0.5 * across, abs=2)
    assert lost.max() == pytest.approx(LEFT + 0.8 * across, abs=2)
    assert unsure.max() == pytest.approx(WIDTH - RIGHT, abs=2)
    assert not shaded(picture_of([TRACKED] * 100), LOST).size


def test_a_frame_is_shrunk_before_it_is_drawn_on():
    """Lines are as thick in the cell whatever the frame's size; the box lies where the target does."""

    def green(height: int, width: int) -> np.ndarray:
        seen = Prediction(
            (width * 0.4, height * 0.4, width * 0.2, height * 0.2), 0.9, True, 1, 0.004, TRACKED
        )
        picture = shot(np.zeros((height, width, 3), np.uint8), seen, 4)
        return (np.abs(picture.astype(int) - GREEN) < 30).all(2)[:-30]

    small, large = green(240, 424), green(2160, 3816)
    assert small.shape == large.shape and small.sum() == pytest.approx(large.sum(), rel=0.05)
    rows, columns = np.nonzero(large)
    assert np.mean(columns) == pytest.approx(large.shape[1] / 2, abs=3)


def test_wide_pixels_are_shown_wide():
    seen = Prediction((9, 9, 9, 9), 0.7, True, 1, 0.004, TRACKED)
    square, wide = (shot(np.zeros((240, 320, 3), np.uint8), seen, 4, aspect) for aspect in (1.0, 2.0))
    assert wide.shape[0] == pytest.approx(square.shape[0] / 2, abs=1)


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
