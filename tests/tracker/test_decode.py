import numpy as np
import pytest

from tests.fakes import GEOMETRY, answer
from tracker.crop import Window
from tracker.decode import Decoder
from tracker.manifest import DecodeConstants

PLAIN = DecodeConstants(window=0.0, penalty=0.0, size_rate=1.0)


def test_a_cell_is_stride_times_its_index_of_the_crop():
    """Cell (4, 10) of a 512 px window at (100, 50): 2 frame pixels a crop pixel, 16 crop pixels a cell."""
    seen = Decoder(GEOMETRY, PLAIN)(answer((4, 10), side=3.0), Window(100, 50, 512), 96, 96)
    assert (seen.cx, seen.cy) == (100 + 2 * 160, 50 + 2 * 64)
    assert (seen.w, seen.h) == (96, 96)
    assert seen.score == pytest.approx(0.9, abs=1e-6)


def test_unequal_distances_move_the_centre():
    output = answer((8, 8))
    output.ltrb[0, :, 8, 8] = (1.0, 0.5, 2.0, 1.5)
    seen = Decoder(GEOMETRY, PLAIN)(output, Window(0, 0, 256), 48, 32)
    assert (seen.cx, seen.cy) == (128 + 8, 128 + 8)
    assert (seen.w, seen.h) == (48, 32)


def test_the_window_prefers_the_centre_among_equals():
    output = answer((8, 8), score=0.9)
    output.score[0, 0, 2, 2] = output.score[0, 0, 8, 8] + 0.1
    corner = Decoder(GEOMETRY, PLAIN)(output, Window(0, 0, 256), 32, 32)
    centre = Decoder(GEOMETRY, DecodeConstants(0.3, 0.0, 1.0))(output, Window(0, 0, 256), 32, 32)
    assert (corner.cx, centre.cx) == (32, 128)


def test_penalty_of_siamrpn_by_hand():
    """Twice as wide and as high: scale 2, ratio 1, exp(−.1 · (2 − 1))."""
    seen = Decoder(GEOMETRY, DecodeConstants(0.0, 0.1, 1.0))(answer(side=4.0), Window(0, 0, 256), 32, 32)
    assert seen.penalty == pytest.approx(np.exp(-0.1), rel=1e-5)


def test_shrinking_costs_as_much_as_growing():
    decode = Decoder(GEOMETRY, DecodeConstants(0.0, 0.1, 1.0))
    grown = decode(answer(side=4.0), Window(0, 0, 256), 32, 32)
    shrunk = decode(answer(side=2.0), Window(0, 0, 256), 64, 64)
    assert grown.penalty == pytest.approx(shrunk.penalty, rel=1e-5)


def test_outputs_are_not_modified():
    output = answer()
    before = output.score.copy(), output.ltrb.copy()
    Decoder(GEOMETRY, DecodeConstants(0.4, 0.1, 0.3))(output, Window(0, 0, 256), 32, 32)
    assert np.array_equal(before[0], output.score) and np.array_equal(before[1], output.ltrb)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("array", ["score", "ltrb"])
def test_numbers_that_are_not_finite_are_nothing_seen(array, value):
    """Wherever the best cell turns out to be: the window's centre, the last size, score 0."""
    output = answer((8, 8))
    getattr(output, array)[:] = value
    with np.errstate(all="ignore"):
        seen = Decoder(GEOMETRY, DecodeConstants(0.4, 0.1, 0.3))(output, Window(10, 20, 256), 32, 48)
    assert (seen.cx, seen.cy, seen.w, seen.h, seen.score) == (138, 148, 32, 48, 0)
