import time

import av
import cv2
import numpy as np
import pytest

from tracker import SourceError
from tracker.frames import LiveStream, PictureFolder, open_source, to_bgr8


def shade(i: int) -> np.ndarray:
    return np.full((48, 64, 3), 10 * i, np.uint8)


def write_video(path, sound_s: float = 0.0, options: dict[str, str] | None = None):
    """Twelve noisy frames of rising grey, ten a second, each decodable alone; silence beside them."""
    noise = np.random.default_rng(0).integers(-25, 26, (48, 64, 3))
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": "1"}
        sound = container.add_stream("aac", rate=16_000) if sound_s else None
        for i in range(12):
            picture = (shade(i + 4) + noise).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(stream.encode())
        for at in range(0, int(sound_s * 16_000), 1024):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate, silence.pts = 16_000, at
            container.mux(sound.encode(silence))
        if sound is not None:
            container.mux(sound.encode())
    return path


@pytest.fixture
def video(tmp_path):
    """In mp4; the index of the frames stands before them."""
    return write_video(tmp_path / "grey.mp4", options={"movflags": "faststart"})


def test_a_video_gives_all_frames_in_order(video):
    with open_source(video) as source:
        assert (source.frames, source.fps, source.live) == (12, 10.0, False)
        levels = [frame.mean() for frame in source]
    assert np.allclose(levels, [10 * i + 40 for i in range(12)], atol=4)


def test_a_truncated_video_gives_what_decodes_and_then_says_so(video):
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) * 2 // 3])
    frames = []
    with open_source(video) as source, pytest.raises(SourceError, match="truncated"):
        for frame in source:
            frames.append(frame)
    assert 2 <= len(frames) < 12


@pytest.mark.parametrize("sound_s", [0.0, 2.5], ids=["silent", "longer sound"])
@pytest.mark.parametrize("kind", ["mkv", "ts", "flv", "avi", "mov"])
def test_a_whole_file_of_any_kind_ends_without_complaint(tmp_path, kind, sound_s):
    assert len(list(open_source(write_video(tmp_path / f"grey.{kind}", sound_s)))) == 12


@pytest.mark.parametrize(
    "kind, sound_s, reason",
    [
        pytest.param("mkv", 0.0, r"after 0\.\d0 of 1\.20 s", id="mkv"),
        pytest.param("mkv", 2.5, r"after 0\.\d0 of 1\.20 s", id="mkv with longer sound"),
        pytest.param("flv", 0.0, r"after 0\.\d0 of 1\.20 s", id="flv"),
        pytest.param("ts", 0.0, "ends inside a packet", id="ts"),
        pytest.param("avi", 0.0, r"after \d of 12 frames", id="avi"),
    ],
)
def test_a_truncated_file_without_a_list_of_its_frames_says_so(tmp_path, kind, sound_s, reason):
    path = write_video(tmp_path / f"grey.{kind}", sound_s)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 | 1])
    frames = []
    with open_source(path) as source, pytest.raises(SourceError, match=f"{reason}.*truncated"):
        for frame in source:
            frames.append(frame)
    assert 2 <= len(frames) < 12


@pytest.mark.parametrize(
    "name, content, reason",
    [
        pytest.param("a.mp4", b"no video", "cannot be opened", id="text"),
        pytest.param("a.mp4", b"", "cannot be opened", id="nothing"),
    ],
)
def test_files_that_are_no_video(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=reason):
        open_source(tmp_path / name)


def test_missing_and_empty_sources(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        open_source(tmp_path / "none.mp4")
    with pytest.raises(SourceError, match="holds no pictures"):
        open_source(tmp_path)
    with pytest.raises(SourceError, match="camera 97 cannot be opened"):
        open_source("97")
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source("http://127.0.0.1:9/none")


def test_pictures_come_in_natural_order(tmp_path):
    for i in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"img{i}.png"), shade(i))
    (tmp_path / "notes.txt").write_text("not a picture")
    source = PictureFolder(tmp_path)
    assert source.frames == 3
    assert [int(f[0, 0, 0]) // 10 for f in source] == [1, 2, 10]


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), shade(1))
    (tmp_path / "1.png").write_bytes(b"broken")
    frames = iter(PictureFolder(tmp_path))
    next(frames)
    with pytest.raises(SourceError, match=r"1.png cannot be decoded"):
        next(frames)


@pytest.mark.parametrize(
    "picture, pixel",
    [
        pytest.param(np.full((4, 4), 7, np.uint8), (7, 7, 7), id="grey"),
        pytest.param(np.full((4, 4, 1), 7, np.uint8), (7, 7, 7), id="grey with a channel"),
        pytest.param(np.full((4, 4, 3), (1, 2, 3), np.uint8), (1, 2, 3), id="colour"),
        pytest.param(np.full((4, 4, 4), (1, 2, 3, 9), np.uint8), (1, 2, 3), id="alpha is dropped"),
        pytest.param(np.full((4, 4), 65535, np.uint16), (255, 255, 255), id="16 bit white"),
        pytest.param(np.full((4, 4, 3), (0, 257, 32896), np.uint16), (0, 1, 128), id="16 bit colour"),
    ],
)
def test_pictures_of_every_kind_become_bgr8(picture, pixel):
    got = to_bgr8(picture)
    assert got.dtype == np.uint8 and got.shape == (4, 4, 3) and got.flags["C_CONTIGUOUS"]
    assert tuple(got[1, 2]) == pixel


@pytest.mark.parametrize("kind", ["grey", "alpha", "16 bit"])
def test_folders_of_such_pictures(tmp_path, kind):
    picture = {
        "grey": np.full((8, 8), 90, np.uint8),
        "alpha": np.full((8, 8, 4), 90, np.uint8),
        "16 bit": np.full((8, 8, 3), 90 * 257, np.uint16),
    }[kind]
    cv2.imwrite(str(tmp_path / "0.png"), picture)
    assert (next(iter(open_source(tmp_path))) == 90).all()


def test_floats_are_refused():
    with pytest.raises(SourceError, match="float32"):
        to_bgr8(np.zeros((4, 4, 3), np.float32))


def test_the_newest_frame_of_a_live_source_wins(monkeypatch):
    class Camera:
        """Ten frames, one every 10 ms, then the end."""

        def __init__(self, address) -> None:
            self.count = 0

        def isOpened(self) -> bool:  # noqa: N802 - the name that OpenCV gives it
            return True

        def get(self, what) -> float:
            return 100.0

        def read(self):
            time.sleep(0.01)
            self.count += 1
            return (True, shade(self.count)) if self.count <= 10 else (False, None)

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    with LiveStream(0, "camera 0") as source:
        frames = []
        for frame in source:
            frames.append(int(frame[0, 0, 0]) // 10)
            time.sleep(0.035)
    assert frames == sorted(set(frames)) and len(frames) < 10
    assert source.dropped + len(frames) >= 9
