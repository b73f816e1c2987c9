"""A file or a URL that FFmpeg decodes: every frame in order, at its presentation time."""

import errno
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from tracker.arrays import Image
from tracker.errors import SourceError
from tracker.sources.container import open_container, promise, video_stream
from tracker.sources.source import FALLBACK_FPS, Source, Timed


class Video(Source):
    """Blocks while it reads. After the last frame that decodes, one that is cut raises.

    Args:
        address: a file, or a URL.
        timeout_s: how long a URL may say nothing.

    Raises:
        SourceError: it cannot be opened, holds no video, or nothing here decodes it.
    """

    def __init__(self, address: Path | str, timeout_s: float | None = None) -> None:
        self.name = str(address)
        try:
            self._container = open_container(address, timeout_s)
        except (av.FFmpegError, OSError) as error:
            raise SourceError(_refusal(address, error)) from error
        try:
            self._stream = video_stream(self._container, address)
        except SourceError:
            self._container.close()
            raise
        path = address if isinstance(address, Path) else None
        self._promise = promise(self._container, self._stream, path)
        self.files = [path] if path else []
        self.fps = float(self._stream.average_rate or 0) or FALLBACK_FPS
        self.frames = _frames(self._stream, self.fps)
        self.live = not path and self._container.duration is None and self._container.size <= 0
        self._stream.thread_type = "SLICE" if self.live else "AUTO"  # frames at once would come late
        sound = self._container.streams.best("audio")
        self.sound = sound.codec_context.name if sound is not None and sound.codec_context else None

    def timed(self) -> Iterator[Timed]:
        to_bgr, count, last = VideoReformatter(), 0, -1.0
        packets = _Packets(self._container, self._stream, self.fps, endless=self.live)
        for picture in packets.decoded():
            if count == 0:
                self.begins = picture.time or 0.0
                self.pixel_aspect = _pixel_aspect(self._stream, picture.rotation)
            time_s = count / self.fps if picture.time is None else picture.time - self.begins
            count, last = count + 1, max(time_s, last)
            yield last, _upright(to_bgr, picture)
        if count == 0:
            raise SourceError(f"source: no frame of {self.name} can be decoded; {self._why_none()}")
        ends = packets.fault or self._promise.broken(packets.count, packets.ends, self.fps)
        if ends:
            cause = "the file is truncated or damaged" if self.files else "the connection broke"
            raise SourceError(f"source: {self.name} {ends}; {cause}")

    def _why_none(self) -> str:
        if not self.files and self._container.format.name.startswith("mov"):
            return "its index stands at the end, and this server hands out no parts: download it first"
        return "is it damaged?"

    def close(self) -> None:
        self._container.close()


class _Packets:
    """The packets of a stream and what can be decoded of them; a damaged one is passed over.

    Attributes:
        count: packets read; ends: what the clock shows at the end of the last frame.
        fault: what ended the reading before the container did, else empty.

    A peer that hangs up has ended a stream that is `endless`.
    """

    def __init__(self, container: Any, stream: Any, fps: float, endless: bool) -> None:
        self._container, self._stream, self._endless = container, stream, endless
        self._base, self._frame_s = float(stream.time_base or 0), 1 / fps
        self.count, self.ends, self.fault = 0, 0.0, ""

    def decoded(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while packet := self._next(packets):
            try:
                yield from packet.decode()
            except av.FFmpegError:
                continue

    def _next(self, packets: Iterator[Any]) -> Any:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError) as error:
            if not (self._endless and error.errno == errno.EIO):
                self.fault = f"ends after {self.count} frames ({error.strerror})"
            return None
        if packet is not None and packet.size and not packet.is_corrupt:
            self.count += 1
            if packet.pts is not None:
                lasts = (packet.duration or 0) * self._base or self._frame_s
                self.ends = max(self.ends, packet.pts * self._base + lasts)
        return packet


def _frames(stream: Any, fps: float) -> int | None:
    """Return how many frames are shown; about how many where an edit list leaves some out."""
    listed, shown = int(stream.frames), float((stream.duration or 0) * (stream.time_base or 0)) * fps
    return round(shown) if 0 < shown < listed - 1 else listed or None


def _pixel_aspect(stream: Any, rotation: int) -> Fraction:
    ratio = Fraction(stream.sample_aspect_ratio or 1)
    return 1 / ratio if rotation % 180 else ratio


def _upright(to_bgr: Any, picture: Any) -> Image:
    """Return the pixels of a decoded picture, turned as players turn it."""
    frame: Image = to_bgr.reformat(picture, format="bgr24", threads=1).to_ndarray()
    turns = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(frame, turns)) if turns else frame


def _refusal(address: Path | str, error: Exception) -> str:
    if isinstance(address, Path):
        return f"source: {address} cannot be opened as a video; is it complete, and a video at all?"
    return f"source: {address} cannot be opened ({error}); is it connected, reachable, and not in use?"
