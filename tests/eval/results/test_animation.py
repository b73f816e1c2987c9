"""The animation of a video, read back by another library than the one that wrote it."""

import cv2
import numpy as np
import pytest
from PIL import Image

from eval.results.animation import main, write_animation
from tracker.errors import SourceError


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "grey.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 32))
    for i in range(5):
        writer.write(np.full((32, 64, 3), 50 * i, np.uint8))
    writer.release()
    return path


def test_every_frame_of_the_video_is_shown_in_order_at_its_pace(video, tmp_path):
    assert write_animation(video, tmp_path / "out.webp", 32) == 5
    with Image.open(tmp_path / "out.webp") as picture:
        assert (picture.size, picture.n_frames, picture.info["loop"]) == ((32, 16), 5, 0)
        for i in range(5):
            picture.seek(i)
            picture.load()
            assert picture.info["duration"] == 50
            assert np.asarray(picture.convert("L")).mean() == pytest.approx(50 * i, abs=4)


def test_another_kind_of_file_is_refused(video, tmp_path):
    with pytest.raises(SourceError, match="name it .webp"):
        write_animation(video, tmp_path / "out.mp4", 32)


def test_a_video_that_is_not_there_is_a_line_and_exit_code_2(tmp_path, capsys):
    assert main([str(tmp_path / "none.mp4"), "--out", str(tmp_path / "out.webp")]) == 2
    assert capsys.readouterr().err.startswith("depthgate: error: ")
