import os

import numpy as np
import pytest

from tracker.advice import on_box, on_threads


@pytest.fixture
def frame():
    """240×320 pixels of noise."""
    return np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "box, used, words",
    [
        pytest.param((10, 10, 40, 50), None, [], id="inside"),
        pytest.param((-5, 10, 40, 50), None, [], id="begins outside"),
        pytest.param((0, 0, 320, 240), None, [], id="the whole frame"),
        pytest.param(
            (200, 100, 300, 200), (200, 100, 120, 140), ["x1,y1,x2,y2, give 200,100,100,100", "inside"]
        ),
        pytest.param((150, 100, 200, 150), None, ["x1,y1,x2,y2, give 150,100,50,50"], id="corners"),
        pytest.param((-90, 10, 100, 50), (0, 10, 10, 50), ["part inside, 0,10,10,50"], id="far outside"),
        pytest.param((-9000, -9000, 20000, 20000), (0, 0, 320, 240), ["part inside, 0,0,320,240"], id="huge"),
        pytest.param((0, 100, 321, 20), (0, 100, 320, 20), ["part inside"], id="wider than the frame"),
    ],
)
def test_boxes_that_are_seldom_meant(frame, box, used, words):
    got, warnings = on_box(frame, box)
    assert got == (used or box) and len(warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, warnings, strict=True))


@pytest.mark.parametrize("box", [(100, 100, 20, 20), (319.5, 239.5, 5, 5), (100, 100, 0.1, 0.1)])
def test_a_flat_target_is_warned_of(frame, box):
    frame[90:130, 90:130] = (0, 0, 1)
    frame[238:, 318:] = 7
    assert any("one flat colour" in warning for warning in on_box(frame, box)[1])
    frame[90:130:2, 90:130] = 40
    frame[90:130, 90:130:2] = 90
    assert not on_box(frame, (100, 100, 20, 20))[1]


def test_more_threads_than_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    assert on_threads(2) == []
    assert "--threads 2" in on_threads(100)[0]
