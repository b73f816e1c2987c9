import json

import cv2
import numpy as np
import pytest

import training.curves as curves


def test_smooth_is_the_mean_of_the_last_values(monkeypatch):
    monkeypatch.setattr(curves, "SMOOTHED_OVER", 3)
    assert curves.smooth(np.array([3.0, 6, 0, 3, 9])).tolist() == pytest.approx([3, 4.5, 3, 3, 4])


def test_curves_of_every_phase_are_drawn(tmp_path):
    lines = [
        {"phase": phase, "samples": 10 * i, "loss": 1 / i, "tracking": [1 / i, 2 / i], "gate": [0.5]}
        for phase in ("exits", "gates")
        for i in range(1, 20)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    picture = cv2.imread(str(curves.write_curves(tmp_path)))
    halves = np.split(picture[:, : picture.shape[1] // 2 * 2], 2, axis=1)
    assert all(half.std() > 10 for half in halves)
