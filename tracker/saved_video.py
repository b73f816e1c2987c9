"""The annotated video: H.264 that can be played whenever, and however, its run ends.

An mp4 is written in fragments of FRAGMENT_S, each on the disk at once, and
turned into an ordinary one by close(). The encoder holds no frame back, so a
run that is killed loses a fragment and a frame. Matroska does the same by
clusters.
"""

import errno
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from tracker.arrays import Image
from tracker.outputs import OutputError
from tracker.sound import Sound

TICKS = 90_000  # a second; what MPEG counts in
FRAGMENT_S = 0.5
ENCODER = {"crf": "20", "preset": "veryfast", "tune": "zerolatency"}
MOV = {"movflags": "hybrid_fragmented", "frag_duration": str(int(FRAGMENT_S * 1e6))}
CONTAINERS = {"mp4": MOV, "mov": MOV, "matroska": {"cluster_time_limit": str(int(FRAGMENT_S * 1e3))}}


class VideoWriter:
    """H.264 in yuv420p, which browsers play; odd sides lose a pixel. Context manager.

    The file is opened, and what stood in it is lost, with the first frame.

    Args:
        fps: what the last frame's duration is taken from.
        pixel_aspect: width of a pixel over its height, for players.
        sound: is copied beside the frames where the container takes it, which `with_sound` then says.

    Raises:
        OutputError: the name is not that of a container for H.264 with times, or, by `write` and
            `close`, the file cannot be written; what was written before stays and can be played.
    """

    def __init__(
        self, path: Path, fps: float, pixel_aspect: Fraction = Fraction(1), sound: Sound | None = None
    ) -> None:
        import av
        from av.format import Flags

        self._path, self._last = path, -1
        self._frame_ticks, self._pixel_aspect = max(1, round(TICKS / fps)), pixel_aspect
        self._written: int | None = None  # bytes of whole fragments, once the file is open
        try:
            self._container = av.open(f"file:{path}", "w")
            self._stream: Any = self._container.add_stream(
                "libx264", rate=Fraction(fps).limit_denominator(1001)
            )
        except (av.FFmpegError, ValueError) as error:
            raise OutputError(
                f"output: {path} cannot be written as a video ({error}); name it .mp4"
            ) from error
        kind: Any = self._container.format
        self._container.options.update({"flush_packets": "1"} | CONTAINERS.get(kind.name, {}))
        if not kind.flags & Flags.variable_fps.value:
            raise OutputError(
                f"output: {path} cannot be a video, since {kind.name} keeps no times; name it .mp4"
            )

        codecs = self._container.supported_codecs
        self._sound = sound if sound is not None and sound.codec in codecs else None
        if self._sound is not None:
            self._copy = self._container.add_stream_from_template(self._sound.stream)

    @property
    def with_sound(self) -> bool:
        return self._sound is not None

    def write(self, frame: Image, time_s: float) -> None:
        """Add H×W×3 uint8 BGR, of the first one's size, shown from `time_s` on; the first should be at 0."""
        import av

        height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), "bgr24")
        picture.pts = self._last = max(round(time_s * TICKS), self._last + 1)
        picture.time_base, picture.duration = Fraction(1, TICKS), self._frame_ticks
        try:
            if self._written is None:
                self._start(width, height)
            self._container.mux(self._stream.encode(picture))
            self._mux_sound((self._last + self._frame_ticks) / TICKS)
            self._written = self._path.stat().st_size
        except (av.FFmpegError, OSError) as error:
            raise self._fault(error) from error

    def _mux_sound(self, until_s: float) -> None:
        if self._sound is None:
            return
        for packet in self._sound.until(until_s):
            packet.stream = self._copy
            self._container.mux(packet)

    def _start(self, width: int, height: int) -> None:
        from av.codec.context import Flags

        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt, self._stream.options = "yuv420p", ENCODER
        self._stream.codec_context.time_base = self._stream.time_base = Fraction(1, TICKS)
        self._stream.codec_context.sample_aspect_ratio = self._pixel_aspect
        self._stream.codec_context.flags |= Flags.frame_duration
        self._container.start_encoding()

    def close(self) -> None:
        import av

        try:
            if self._written is not None:
                self._container.mux(self._stream.encode())
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> OutputError:
        """Leave whole fragments behind, and no more."""
        with suppress(Exception):
            self._container.close()
        if self._written is not None:
            with suppress(OSError):
                os.truncate(self._path, self._written)
            self._written = None
        code = getattr(error, "errno", 0)
        reason = os.strerror(code) if code in errno.errorcode else error
        return OutputError(f"output: {self._path} cannot be written ({reason})")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
