"""Our metrics against the got10k package's own functions."""

import warnings

import numpy as np
import pytest

from eval.onepass.metrics import THRESHOLDS, accuracy, centre_errors, success_curve
from tracker.boxes import overlap

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    got10k = pytest.importorskip("got10k.utils.metrics", reason="needs the extra eval")


@pytest.fixture
def boxes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = np.column_stack([rng.uniform(0, 300, (500, 2)), rng.uniform(5, 80, (500, 2))])
    ours = truth + rng.normal(0, 8, truth.shape)
    ours[:, 2:] = np.maximum(ours[:, 2:], 1)
    ours[::7] = truth[::7]
    return ours, truth


def test_overlap_and_centre_errors_equal_got10k(boxes):
    ours, truth = boxes
    assert np.allclose(overlap(ours, truth), got10k.rect_iou(ours.copy(), truth.copy()), atol=1e-12)
    assert np.allclose(centre_errors(ours, truth), got10k.center_error(ours.copy(), truth.copy()), atol=1e-9)


def test_success_and_average_overlap_equal_the_experiments(boxes):
    """ExperimentOTB: share of IoU > t over 21 thresholds; ExperimentGOT10k: mean IoU and share above 0.5."""
    ours, truth = boxes
    iou = got10k.rect_iou(ours.copy(), truth.copy())
    curve = np.mean(np.greater(iou[:, None], np.linspace(0, 1, 21)[None]), 0)
    got = accuracy(ours, truth, np.ones(len(ours), bool))
    assert np.allclose(success_curve(overlap(ours, truth)), curve)
    assert got.auc == pytest.approx(curve.mean(), abs=1e-12)
    assert got.ao == pytest.approx(iou.mean(), abs=1e-12)
    assert got.sr50 == pytest.approx((iou > 0.5).mean())
    assert got.p20 == pytest.approx((got10k.center_error(ours.copy(), truth.copy()) <= 20).mean())


def test_absent_frames_are_left_out():
    truth = np.array([[0, 0, 10, 10], [np.nan] * 4, [0, 0, 10, 10]])
    ours = np.array([[0, 0, 10, 10], [5, 5, 5, 5], [100, 100, 10, 10]])
    got = accuracy(ours, truth, np.isfinite(truth).all(1))
    assert (got.frames, got.ao) == (2, 0.5)


def test_a_perfect_track_has_the_known_ceiling_of_the_strict_inequality():
    box = np.tile([0.0, 0, 10, 10], (5, 1))
    assert accuracy(box, box, np.ones(5, bool)).auc == pytest.approx(20 / 21)
    assert len(THRESHOLDS) == 21


def test_wrong_lengths_and_nothing_visible_are_named():
    box = np.zeros((3, 4))
    with pytest.raises(ValueError, match="3 boxes for 2 rows"):
        accuracy(box, box[:2], np.ones(2, bool))
    with pytest.raises(ValueError, match="visible in no frame"):
        accuracy(box, box, np.zeros(3, bool))
