import struct
from fractions import Fraction

import cv2
import numpy as np
import pytest

from tests.tracker.sources.clips import levels, write_timed, write_video
from tracker import SourceError
from tracker.frames import open_source


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


def test_frames_equal_those_of_opencv_bit_for_bit(clip):
    """What evaluation reads by OpenCV and what a person tracks are the same pixels."""
    capture = cv2.VideoCapture(str(clip))
    count = 0
    for frame in open_source(clip):
        assert np.array_equal(frame, capture.read()[1])
        count += 1
    assert count == 250 and not capture.read()[0]


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_time_is_the_containers(tmp_path, kind):
    shown = [0.0, 0.04, 0.5, 0.52, 1.9, 2.0]
    timed = list(open_source(write_timed(tmp_path / f"uneven.{kind}", shown)).timed())
    assert [t for t, _ in timed] == pytest.approx(shown, abs=1e-3)
    assert levels(f for _, f in timed) == [0, 1, 2, 3, 4, 5]


def test_the_first_frame_is_at_0_wherever_the_container_begins(tmp_path):
    source = open_source(write_timed(tmp_path / "late.mkv", [5.0, 5.1, 5.4]))
    assert [t for t, _ in source.timed()] == pytest.approx([0.0, 0.1, 0.4], abs=1e-3)
    assert source.begins == pytest.approx(5.0, abs=1e-3)


@pytest.mark.parametrize("codec, kind", [("libsvtav1", "mp4"), ("libvpx-vp9", "webm"), ("libx265", "mp4")])
def test_what_players_play(tmp_path, codec, kind):
    path = write_timed(tmp_path / f"a.{kind}", [i / 25 for i in range(6)], codec)
    assert levels(open_source(path)) == [0, 1, 2, 3, 4, 5]


def patched(path, at: bytes, offset: int, value: bytes):
    data = bytearray(path.read_bytes())
    begin = data.index(at) + offset
    data[begin : begin + len(value)] = value
    path.write_bytes(data)
    return path


def test_a_codec_that_nothing_decodes_is_named_and_the_file_not_called_damaged(video):
    description = video.read_bytes().index(b"stsd")
    with pytest.raises(SourceError, match="coded as XYZ1, which nothing here decodes") as refused:
        open_source(
            patched(video, b"stsd", video.read_bytes().index(b"avc1", description) - description, b"XYZ1")
        )
    assert "complete" not in str(refused.value) and "damaged" not in str(refused.value)


TURNED = {  # the matrix of ISO 14496-12 for a turn with the clock, and how often rot90 turns against it
    "90": ((0, 1, -1, 0), 3),
    "180": ((-1, 0, 0, -1), 2),
    "270": ((0, -1, 1, 0), 1),
}


@pytest.mark.parametrize("degrees", TURNED)
def test_a_video_is_turned_as_its_phone_was(tmp_path, degrees):
    path = write_timed(tmp_path / "a.mp4", [0.0, 0.04], aspect=Fraction(2))
    (before, *_) = open_source(path)
    before = before.copy()
    (a, b, c, d), turns = TURNED[degrees]
    matrix = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    source = open_source(patched(path, b"tkhd", 44, matrix))
    (frame, *_) = source
    assert np.array_equal(frame, np.rot90(before, turns))
    assert source.pixel_aspect == (2 if degrees == "180" else Fraction(1, 2))


def test_what_an_edit_list_leaves_out_is_not_missed(video):
    """As phones trim: the second half stands in the file and is not shown."""
    length = video.read_bytes().index(b"elst") + 12
    (shown,) = struct.unpack(">I", video.read_bytes()[length : length + 4])
    with open_source(patched(video, b"elst", 12, struct.pack(">I", shown // 2))) as source:
        assert source.frames == 6 and len(list(source)) == 6


def test_a_damaged_packet_in_the_middle_is_passed_over(video):
    data = bytearray(video.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 40] = bytes(40)
    video.write_bytes(data)
    assert len(list(open_source(video))) >= 10


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("ffconcat version 1.0\nfile secret.mp4\n", id="concat"),
        pytest.param("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n", id="hls"),
    ],
)
def test_a_file_opens_no_other(tmp_path, text):
    write_video(tmp_path / "secret.mp4")
    (tmp_path / "innocent.mp4").write_text(text)
    with pytest.raises(SourceError, match="cannot be opened as a video"):
        list(open_source(tmp_path / "innocent.mp4"))


@pytest.mark.parametrize("name", ["12:30.mp4", "concat:a|b.mp4", "100%.mp4", "[a].mp4"])
def test_any_name_is_a_name(tmp_path, monkeypatch, name):
    write_video(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_source(name))) == 12


def test_sound_alone_is_no_video(tmp_path):
    import av

    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=16_000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate, silence.pts = 16_000, 0
        container.mux(sound.encode(silence))
        container.mux(sound.encode())
    with pytest.raises(SourceError, match="no video in it"):
        open_source(tmp_path / "a.m4a")
