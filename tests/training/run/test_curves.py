import json

import cv2
import numpy as np
import pytest

import training.run.curves as curves


def test_smooth_is_the_mean_of_the_last_values(monkeypatch):
    monkeypatch.setattr(curves, "SMOOTHED_OVER", 3)
    monkeypatch.setattr(curves, "SMOOTHED_SHARE", 1.0)
    assert curves.smooth(np.array([3.0, 6, 0, 3, 9])).tolist() == pytest.approx([3, 4.5, 3, 3, 4])


def test_a_short_phase_is_smoothed_over_a_tenth_of_it():
    steps = np.repeat([0.0, 1.0], 10)
    assert curves.smooth(steps).tolist() == [0.0] * 10 + [0.5] + [1.0] * 9
    assert curves.smooth(steps[8:12]).tolist() == [0.0, 0.0, 1.0, 1.0]


def test_curves_of_every_phase_are_drawn(tmp_path):
    lines = [
        {"phase": phase, "samples": 10 * i, "loss": 1 / i, "tracking": [1 / i, 2 / i], "gate": [0.5]}
        for phase in ("exits", "gates")
        for i in range(1, 20)
    ]
    halves = drawn(tmp_path, lines)
    assert all(half.std() > 10 for half in halves)


def drawn(folder, lines):
    """Left and right half of the curves of these lines."""
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    picture = cv2.imread(str(curves.write_curves(folder)))
    return np.split(picture[:, : picture.shape[1] // 2 * 2], 2, axis=1)


def test_validation_is_drawn_over_the_loss_and_over_the_parts(tmp_path):
    """Colour C1 is taken by nothing else, since there is one part only."""
    lines = [
        {"phase": phase, "samples": 10 * i, "loss": 1 / i, "top1": [1 - 1 / i]}
        for phase in ("features", "classify")
        for i in range(1, 20)
    ]
    point = {"phase": "classify", "samples": 100, "validation": {"loss": 0.5, "top1": [0.2]}}
    left, right = drawn(tmp_path, [*lines, point])
    orange = (14, 127, 255)  # BGR
    assert not (left == orange).all(2).any() and (right == orange).all(2).any()
    plain = drawn(tmp_path, lines)[1]
    half = len(plain) // 2
    assert (plain[half:] != right[half:]).any()
