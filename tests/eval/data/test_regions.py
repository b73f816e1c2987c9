import numpy as np
import pytest

from eval.data.regions import hull, is_empty, read_regions, rectangle, region_overlap
from tracker import SourceError

SIZE = (100, 80)


def polygon(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, np.float32)


@pytest.mark.parametrize(
    "a, b, expected",
    [
        pytest.param(rectangle((10, 10, 20, 10)), rectangle((10, 10, 20, 10)), 1.0, id="equal"),
        pytest.param(rectangle((10, 10, 20, 10)), rectangle((20, 10, 20, 10)), 1 / 3, id="half aside"),
        pytest.param(rectangle((10.4, 10.4, 20, 10)), rectangle((10, 10, 20, 10)), 1.0, id="rounded"),
        pytest.param(rectangle((90, 0, 20, 10)), rectangle((90, 0, 10, 10)), 1.0, id="clipped to the frame"),
        pytest.param(rectangle((200, 0, 20, 10)), rectangle((230, 0, 10, 10)), 0.0, id="both outside"),
        pytest.param(None, rectangle((10, 10, 20, 10)), 0.0, id="no region"),
        pytest.param(
            polygon((10, 10), (29, 10), (29, 19), (10, 19)),
            rectangle((10, 10, 20, 10)),
            1.0,
            id="square polygon",
        ),
        pytest.param(rectangle((0, 0, 0, 0)), rectangle((0, 0, 0, 0)), 1.0, id="two empty ones"),
    ],
)
def test_overlap_of_masks(a, b, expected):
    assert region_overlap(a, b, SIZE) == pytest.approx(expected)


def test_a_triangle_counts_its_border():
    """Rows of 1, 2, … 5 pixels: 15 of the 25 of the square."""
    triangle = polygon((0, 0), (4, 4), (0, 4))
    assert region_overlap(triangle, rectangle((0, 0, 5, 5)), SIZE) == pytest.approx(15 / 25)


def test_hull_and_emptiness():
    assert hull(polygon((3, 5), (9, 4), (6, 11))) == (3, 4, 6, 7)
    assert is_empty(None) and is_empty(rectangle((1, 1, 0, 4))) and is_empty(polygon((1, 1), (2, 1), (3, 1)))
    assert not is_empty(rectangle((1, 1, 2, 2)))


def test_rows_of_both_kinds_are_read(tmp_path):
    (tmp_path / "g.txt").write_text("1,2,3,4\nnan,nan,nan,nan\n0,0,4,0,4,4,0,4\n")
    regions = read_regions(tmp_path / "g.txt")
    assert regions[0].tolist() == [1, 2, 3, 4] and regions[1] is None and regions[2].shape == (4, 2)
    (tmp_path / "g.txt").write_text("1,2,3,4\n1,2,3\n")
    with pytest.raises(SourceError, match="row 2: got 3 numbers"):
        read_regions(tmp_path / "g.txt")
