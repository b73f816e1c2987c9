import os
import signal
import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from tests.tracker.sources.clips import levels, shade, write_video
from tests.tracker.sources.servers import file, mjpeg, reset, served
from tracker import SourceError
from tracker.frames import open_source
from tracker.sources import stream
from tracker.sources.source import Source
from tracker.sources.stream import Stream

SHADES = [shade(i + 4) for i in range(12)]


class Scripted(Source):
    """Frames 0, 1, … of which each takes `pause_s`; then the fault, or the end."""

    def __init__(self, numbers=range(10), pause_s=0.0, live=False, fault: str = "") -> None:
        self.name, self.live, self.closed = "scripted", live, False
        self._numbers, self._pause_s, self._fault = numbers, pause_s, fault
        self.threads = {threading.current_thread()}

    def timed(self):
        for i in self._numbers:
            time.sleep(self._pause_s)
            self.threads.add(threading.current_thread())
            yield i / 10, np.full((1, 1, 3), i, np.uint8)
        if self._fault:
            raise SourceError(self._fault)

    def close(self) -> None:
        self.threads.add(threading.current_thread())
        self.closed = True


def numbers(source, pause_s: float = 0.0) -> list[int]:
    found = []
    for frame in source:
        found.append(int(frame[0, 0, 0]))
        time.sleep(pause_s)
    return found


def test_every_frame_of_a_source_that_ends_however_slow_they_are_taken():
    source = Stream("scripted", Scripted)
    assert numbers(source, 0.005) == list(range(10)) and source.dropped == 0


def test_the_newest_frame_of_a_live_source_wins_and_its_last_is_not_lost():
    source = Stream("scripted", lambda: Scripted(pause_s=0.01, live=True))
    found = numbers(source, 0.035)
    assert found == sorted(set(found)) and found[-1] == 9
    assert len(found) < 10 and source.dropped + len(found) == 10


@pytest.mark.parametrize("live", [True, False])
def test_newest_and_every_frame_overrule(live):
    source = Stream("scripted", lambda: Scripted(pause_s=0.005, live=live), newest=not live)
    assert source.live is not live
    assert (numbers(source, 0.02) == list(range(10))) is live


def test_time_of_a_live_source_is_that_of_arrival():
    timed = list(Stream("scripted", lambda: Scripted(range(4), pause_s=0.05, live=True)).timed())
    assert timed[0][0] == 0.0 and timed[-1][0] >= 0.1


def test_a_live_source_that_fails_is_opened_again(monkeypatch):
    monkeypatch.setattr(stream, "FIRST_PAUSE_S", 0.01)
    parts = [
        Scripted(range(3), 0.01, True, "gone"),
        SourceError("refused"),
        Scripted(range(3, 6), 0.01, True),
    ]

    def open_next() -> Source:
        part = parts.pop(0)
        if isinstance(part, SourceError):
            raise part
        return part

    assert numbers(Stream("scripted", open_next)) == list(range(6)) and not parts


def test_pauses_double_and_a_lost_source_is_given_up(monkeypatch):
    monkeypatch.setattr(stream, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(stream, "LOST_S", 0.5)
    tries = []

    def open_once() -> Source:
        tries.append(time.monotonic())
        if len(tries) > 1:
            raise SourceError("refused")
        return Scripted(range(2), 0.0, True, "gone")

    source = Stream("scripted", open_once)
    with pytest.raises(SourceError, match="gave no frame for"):
        list(source)
    assert 3 <= len(tries) <= 6  # 0.5 s hold pauses of .04, .08, .16, .32 s


def test_a_fault_of_a_source_that_ends_comes_after_its_frames():
    source = Stream("scripted", lambda: Scripted(range(3), fault="cut"))
    found = []
    with pytest.raises(SourceError, match="cut"):
        for frame in source:
            found.append(int(frame[0, 0, 0]))
    assert found == [0, 1, 2]


def test_a_fault_of_ours_is_not_waited_for():
    def broken() -> Source:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Stream("scripted", broken)


def test_one_thread_opens_reads_and_closes():
    opened = []
    with Stream("scripted", lambda: opened.append(Scripted(range(100), 0.005)) or opened[0]) as source:
        next(source.timed())
    deadline = time.monotonic() + 5
    while not opened[0].closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert opened[0].closed and len(opened[0].threads) == 1
    assert threading.current_thread() not in opened[0].threads


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
def test_a_file_behind_a_url_is_read_whole_and_in_order(tmp_path, kind):
    options = {"movflags": "faststart"} if kind == "mp4" else None
    data = write_video(tmp_path / f"a.{kind}", options=options).read_bytes()
    with served(file(data)) as url, open_source(url) as source:
        assert not source.live
        found = []
        for frame in source:
            found += levels([frame])
            time.sleep(0.01)
    assert found == list(range(12)) and source.dropped == 0


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_url_that_breaks_before_its_promised_end_says_so(tmp_path, kind):
    options = {"movflags": "faststart"} if kind == "mp4" else None
    data = write_video(tmp_path / f"a.{kind}", options=options).read_bytes()
    found = []
    with (
        served(file(data[: len(data) // 2], len(data))) as url,
        pytest.raises(SourceError, match=r"ends after .*the connection broke"),
    ):
        found.extend(open_source(url))
    with served(file(data[: len(data) // 2], len(data))) as url, open_source(url) as source:
        frames = source.timed()
        assert levels([next(frames)[1]]) == [0]


def test_an_index_at_the_end_behind_a_server_without_parts_is_named(tmp_path):
    import av

    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        for i in range(30):
            noise = np.random.default_rng(i).integers(0, 256, (240, 320, 3), dtype=np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(noise, "bgr24")))
        container.mux(video.encode())
    with (
        served(file((tmp_path / "a.mp4").read_bytes())) as url,
        pytest.raises(SourceError, match="index stands at the end.*download it first"),
    ):
        list(open_source(url))


def test_an_endless_stream_drops_frames_but_not_its_last():
    with served(mjpeg(SHADES, 0.02)) as url, open_source(url) as source:
        assert source.live
        found = []
        for frame in source:
            found += levels([frame])
            time.sleep(0.07)
    assert found == sorted(set(found)) and found[-1] == 11 and source.dropped == 12 - len(found) > 0


def test_an_endless_stream_that_is_reset_goes_on():
    calls = []

    def answer(request) -> None:
        calls.append(request)
        mjpeg(SHADES[:6] if len(calls) == 1 else SHADES[6:], 0.02, reset if len(calls) == 1 else None)(
            request
        )

    with served(answer) as url:
        found = levels(open_source(url))
    assert found[-1] == 11 and len(calls) == 2


@contextmanager
def silent_peer():
    """Accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/video"


@contextmanager
def interrupted_after(seconds: float):
    """Ctrl-C, as the main thread hears it."""

    def press(number, frame) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, press)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_peer_that_says_nothing_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(stream, "SILENCE_S", 0.3)
    began = time.monotonic()
    with silent_peer() as url, pytest.raises(SourceError, match="gave no frame for"):
        open_source(url)
    assert time.monotonic() - began < 5  # of a stated 0.3; it was three times the stated time


def test_ctrl_c_is_heard_while_a_stream_opens():
    with silent_peer() as url, pytest.raises(KeyboardInterrupt), interrupted_after(0.2):
        open_source(url)


def test_a_pipe_is_read_whole_and_in_order(tmp_path):
    data = write_video(tmp_path / "a.mkv").read_bytes()
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
    writer.start()
    with open_source(tmp_path / "pipe") as source:
        assert levels(source) == list(range(12)) and source.dropped == 0
    writer.join()


def test_ctrl_c_is_heard_while_a_pipe_has_no_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(KeyboardInterrupt), interrupted_after(0.2):
        open_source(tmp_path / "pipe")
    (tmp_path / "pipe").write_bytes(b"")  # lets the reader go
