import cv2
import numpy as np
import pytest

from tracker import SourceError
from tracker.frames import open_source
from tracker.sources import stream


class Capture:
    """What OpenCV opens: three frames, then none."""

    released = 0

    def __init__(self, index) -> None:
        self.count = 0

    def isOpened(self) -> bool:  # noqa: N802 - the name that OpenCV gives it
        return True

    def get(self, what) -> float:
        return 100.0

    def read(self):
        self.count += 1
        return (True, np.full((4, 4, 3), self.count, np.uint8)) if self.count <= 3 else (False, None)

    def release(self) -> None:
        Capture.released += 1


@pytest.mark.parametrize("name", ["0", "/dev/video0"])
def test_a_camera_is_live_and_one_that_stays_away_is_given_up(monkeypatch, name):
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(stream, "LOST_S", 0.1)
    found = []
    with open_source(name) as source, pytest.raises(SourceError, match="camera 0 gave no frame for"):
        assert (source.name, source.fps, source.live) == ("camera 0", 100.0, True)
        found.extend(int(frame[0, 0, 0]) for frame in source)
    assert Capture.released > 0
