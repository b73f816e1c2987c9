import numpy as np
import pytest

from training.data.compose.motion import after, apply, draw_path, inverse, mirrored, placed, through

TIMES = np.array([0.0, 10, 16, 30])
VALUES = np.array([[0.0, 5], [10, 0], [4, 4], [-3, 8]])
STEP = 1e-5


def slopes(curve, time):
    before, at, behind = curve.at(np.array([time - STEP, time, time + STEP]))
    return (at - before) / STEP, (behind - at) / STEP


def test_a_curve_goes_through_its_knots_and_stays_at_its_ends():
    curve = through(TIMES, VALUES, np.zeros(4, bool))
    assert curve.at(TIMES) == pytest.approx(VALUES)
    assert curve.at(np.array([-5.0, 99])) == pytest.approx(VALUES[[0, -1]])


def test_it_is_smooth_at_a_knot_unless_the_knot_is_sudden():
    smooth, turning = (through(TIMES, VALUES, np.array([0, turn, 0, 0], bool)) for turn in (0, 1))
    before, behind = slopes(smooth, 10.0)
    assert before == pytest.approx(behind, abs=1e-3)
    before, behind = slopes(turning, 10.0)
    assert before == pytest.approx([1.0, -0.5], abs=1e-3)
    assert behind == pytest.approx([-1.0, 4 / 6], abs=1e-3)


@pytest.mark.parametrize("point, expected", [(3.0, 3), (12.0, 8), (-4.0, 4), (23.0, 3), (-11.0, 9)])
def test_reflection_at_walls_0_and_10(point, expected):
    low, high = np.zeros(1), np.full(1, 10.0)
    assert mirrored(np.array([point]), low, high) == pytest.approx([expected])


def test_a_path_begins_where_it_is_told_and_keeps_about_inside():
    low, high = np.array([20.0, 10]), np.array([300.0, 230])
    for seed in range(20):
        path = draw_path(np.random.default_rng(seed), 150, np.array([50.0, 60]), 6.0, low, high)
        assert path.shape == (150, 2) and path[0] == pytest.approx([50, 60])
        assert (path > low - 60).all() and (path < high + 60).all()


def test_a_placed_picture_is_turned_about_its_pivot():
    maps = placed(np.array([[50.0, 40]]), np.array([[2.0, 3.0]]), np.array([np.pi / 2]), (10, 20))
    points = apply(maps, np.array([[10.0, 20], [11, 20], [10, 21]]))[0]
    assert points == pytest.approx(np.array([[50, 40], [50, 42], [47, 40]]))


def test_maps_compose_and_invert_as_3x3_matrices_do():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 5, 2, 3))
    whole = [np.concatenate([maps, np.broadcast_to([[[0, 0, 1.0]]], (5, 1, 3))], 1) for maps in (one, two)]
    assert after(one, two) == pytest.approx((whole[0] @ whole[1])[:, :2])
    assert inverse(one) == pytest.approx(np.linalg.inv(whole[0])[:, :2])
