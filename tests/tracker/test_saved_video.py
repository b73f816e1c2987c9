import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.fakes import file_size_limit
from tracker.outputs import OutputError
from tracker.saved_video import FRAGMENT_S, VideoWriter

ROOT = Path(__file__).parents[2]
KINDS = ["mp4", "mov", "mkv"]


def times(path) -> list[float]:
    """When each frame is shown; decoding must not fail."""
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def test_video_is_h264_and_odd_sides_lose_a_pixel(tmp_path):
    import av

    path = tmp_path / "out.mp4"
    with VideoWriter(path, 25.0) as writer:
        for i in range(5):
            writer.write(np.full((49, 65, 3), 20 * i, np.uint8), i / 25)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.frames) == (64, 48, 5)
    found, frame = cv2.VideoCapture(str(path)).read()
    assert found and frame.shape == (48, 64, 3)


@pytest.mark.parametrize("name", ["out.xyz", "out.gif", "out.wav", "out.avi", "out"])
def test_a_name_that_is_no_video(tmp_path, name):
    with pytest.raises(OutputError, match=r"name it .mp4"):
        VideoWriter(tmp_path / name, 25.0)
    assert not list(tmp_path.iterdir())


def test_a_video_touches_its_file_with_the_first_frame(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_text("of an earlier run")
    VideoWriter(path, 25.0).close()
    assert path.read_text() == "of an earlier run"


def test_a_video_that_cannot_be_opened(tmp_path):
    with (
        VideoWriter(tmp_path / "none" / "out.mp4", 25.0) as writer,
        pytest.raises(OutputError, match=r"cannot be written \(No such file"),
    ):
        writer.write(np.zeros((48, 64, 3), np.uint8), 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_shown_when_they_were_seen(tmp_path, kind):
    seen = [0.0, 0.1, 0.15, 0.5, 0.54, 2.0]
    with VideoWriter(tmp_path / f"out.{kind}", 25.0) as writer:
        for time_s in seen:
            writer.write(np.zeros((48, 64, 3), np.uint8), time_s)
    assert times(tmp_path / f"out.{kind}") == pytest.approx(seen, abs=1e-3)  # Matroska counts milliseconds


def test_times_that_stand_still_or_go_back_lose_no_frame(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", 25.0) as writer:
        for time_s in (0.0, 0.0, 0.2, 0.1, 0.3):
            writer.write(np.zeros((48, 64, 3), np.uint8), time_s)
    assert times(tmp_path / "out.mp4") == pytest.approx([0.0, 0.0, 0.2, 0.2, 0.3], abs=1e-3)


WRITE = """
import os, signal, sys
import numpy as np
from pathlib import Path
from tracker.saved_video import VideoWriter
writer = VideoWriter(Path(sys.argv[1]), 25.0)
noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
for i in range(100):
    writer.write(np.roll(noise, i, 1), i / 25)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_killed_loses_a_fragment_at_most(tmp_path, kind):
    path = tmp_path / f"out.{kind}"
    assert subprocess.run([sys.executable, "-c", WRITE, path], cwd=ROOT).returncode == -9
    assert times(path)[-1] >= 99 / 25 - FRAGMENT_S - 1 / 25


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_full_disk_leaves_what_was_written(tmp_path, kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)

    def write(path) -> None:
        with VideoWriter(path, 25.0) as writer:
            for i in range(50):
                writer.write(np.roll(noise, i, 1), i / 25)

    write(tmp_path / f"whole.{kind}")
    limit = int((tmp_path / f"whole.{kind}").stat().st_size * share)
    path = tmp_path / f"out.{kind}"
    with file_size_limit(limit), pytest.raises(OutputError, match="cannot be written"):
        write(path)
    assert path.stat().st_size >= limit * 0.4 and times(path) == pytest.approx(
        [i / 25 for i in range(len(times(path)))], abs=1e-3
    )
