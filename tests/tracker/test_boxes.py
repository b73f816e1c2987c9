import math

import numpy as np
import pytest

from tracker.boxes import checked, overlap
from tracker.errors import BoxError


@pytest.mark.parametrize(
    "a, b, expected",
    [
        pytest.param((0, 0, 10, 10), (0, 0, 10, 10), 1.0, id="equal"),
        pytest.param((0, 0, 10, 10), (5, 0, 10, 10), 1 / 3, id="half aside"),
        pytest.param((0, 0, 10, 10), (10, 0, 10, 10), 0.0, id="touching"),
        pytest.param((0, 0, 10, 10), (2, 2, 5, 4), 0.2, id="inside"),
        pytest.param((0, 0, 0, 0), (0, 0, 0, 0), 0.0, id="both empty"),
        pytest.param((-5, -5, 10, 10), (0, 0, 10, 10), 25 / 175, id="negative corner"),
    ],
)
def test_overlap(a, b, expected):
    assert overlap(a, b) == pytest.approx([expected])


def test_overlap_of_nan_is_nan_and_rows_are_independent():
    got = overlap([(0, 0, 2, 2), (math.nan,) * 4], [(0, 0, 2, 2), (0, 0, 2, 2)])
    assert got[0] == 1 and math.isnan(got[1])


@pytest.mark.parametrize(
    "box, reason",
    [
        pytest.param((0, 0, 0, 5), "no area", id="no width"),
        pytest.param((0, 0, 5, -1), "no area", id="negative height"),
        pytest.param((math.nan, 0, 5, 5), "finite", id="nan"),
        pytest.param((0, math.inf, 5, 5), "finite", id="infinite"),
        pytest.param((100, 0, 5, 5), "outside the 100x50", id="right of the frame"),
        pytest.param((-5, 0, 5, 5), "outside", id="left of the frame"),
        pytest.param((1, 2, 3), "expected four", id="three numbers"),
        pytest.param(("a", 2, 3, 4), "expected four numbers", id="a word"),
        pytest.param(None, "expected four numbers", id="nothing"),
    ],
)
def test_wrong_boxes_are_named(box, reason):
    with pytest.raises(BoxError, match=reason):
        checked(box, 100, 50)


def test_a_box_that_reaches_over_the_edge_is_legal():
    assert checked(np.array([-4, -4, 5, 5]), 100, 50) == (-4.0, -4.0, 5.0, 5.0)
