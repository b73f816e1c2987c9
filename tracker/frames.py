"""Sources of frames: a video file, a folder of pictures, a camera, a stream.

Every source gives H×W×3 uint8 BGR. Pictures of other kinds are converted by
one rule: grey is repeated over the channels, alpha is dropped, 16-bit values
are divided by 257 and rounded, so that 65535 becomes 255.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from tracker.errors import SourceError

Frame = npt.NDArray[np.uint8]
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
FOLDER_FPS = 25.0
STREAM_TIMEOUT_S = 10.0
TIMED = ("matroska,webm", "flv")
TOLERANCE_FRAMES = 3  # interlaced files say twice the rate, and times are rounded


class Source:
    """Frames in order; a context manager.

    Attributes:
        name: what the user gave; fps: frames a second of the source, 25 where it does not say.
        frames: how many there are, None when not known.
        live: frames that come too fast are dropped, the newest wins; `dropped` counts them.
        files: what the frames are read from; folders: whose pictures they are.
    """

    name: str
    fps: float = FOLDER_FPS
    frames: int | None = None
    live: bool = False
    dropped: int = 0
    files: Sequence[Path] = ()
    folders: Sequence[Path] = ()

    def __iter__(self) -> Iterator[Frame]:
        raise NotImplementedError

    def close(self) -> None:
        """Release what is held; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(source: str | int) -> Source:
    """A camera index, a URL (rtsp://, http://), a folder of pictures, or a video file.

    Raises:
        SourceError: missing, empty, unreadable, or no such camera or stream.
    """
    text = str(source)
    if text.isdigit():
        return LiveStream(int(text), f"camera {text}")
    if "://" in text:
        return LiveStream(text, text)
    path = Path(text)
    if path.is_dir():
        return PictureFolder(path)
    if not path.exists():
        raise SourceError(
            f"source: {text} does not exist; expected a video, a folder of pictures, 0 or a URL"
        )
    return VideoFile(path)


class VideoFile(Source):
    """A file that OpenCV can decode. After the last frame that decodes, a truncated file raises."""

    def __init__(self, path: Path) -> None:
        self.name, self.files = str(path), [path]
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise SourceError(
                f"source: {path} cannot be opened as a video; is it complete, and a video at all?"
            )
        self._promise = _promise(path)
        self.frames = self._promise.frames or None
        self.fps = float(self._capture.get(cv2.CAP_PROP_FPS)) or FOLDER_FPS

    def __iter__(self) -> Iterator[Frame]:
        count, seconds = 0, 0.0
        while True:
            found, frame = self._capture.read()
            if not found:
                break
            count += 1
            seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3 + 1 / self.fps
            yield np.asarray(frame, np.uint8)
        if count == 0:
            raise SourceError(f"source: no frame of {self.name} can be decoded; is the file damaged?")
        if ends := self._promise.broken(count, seconds, TOLERANCE_FRAMES / self.fps):
            raise SourceError(f"source: {self.name} {ends}; the file is truncated or damaged")

    def close(self) -> None:
        self._capture.release()


@dataclass(frozen=True)
class _Promise:
    """What a container says that it holds.

    Attributes:
        frames: samples that it lists, 0 where it lists none.
        seconds: from the first frame to the end of the last, 0 where it does not say.
        whole: False when the last packet of a transport stream is cut.
    """

    frames: int = 0
    seconds: float = 0.0
    whole: bool = True

    def broken(self, frames: int, seconds: float, tolerance: float) -> str:
        """How what was decoded falls short, by more than a frame or `tolerance` in seconds; else empty."""
        if self.frames:
            return f"ends after {frames} of {self.frames} frames" if frames < self.frames - 1 else ""
        if seconds + tolerance < self.seconds:
            return f"ends after {seconds:.2f} of {self.seconds:.2f} s"
        return "" if self.whole else f"ends inside a packet, after {frames} frames"


def _promise(path: Path) -> _Promise:
    """Read from the container itself: OpenCV's own count is an estimate from duration × rate.

    Those of TIMED list no samples but say how long they are: the header the
    longest track, a tag each one. A transport stream says neither, but a cut
    seldom falls between its packets of 188 bytes (192 or 204 on some devices).
    """
    import av

    try:
        with av.open(str(path)) as container:
            kind, video = container.format.name, container.streams.video[0]
            ends = _seconds(video.metadata.get("DURATION", ""))
            if not ends and kind in TIMED and len(container.streams) == 1:
                ends = (container.duration or 0) / av.time_base
            begins = float((video.start_time or 0) * (video.time_base or 0))
            size = path.stat().st_size
            whole = kind != "mpegts" or any(size % packet == 0 for packet in (188, 192, 204))
            return _Promise(video.frames, ends - begins if ends else 0.0, whole)
    except (av.FFmpegError, IndexError):
        return _Promise()


def _seconds(clock: str) -> float:
    """00:01:02.500000000 as 62.5, anything else as 0."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", clock)
    return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3]) if match else 0.0


class PictureFolder(Source):
    """The pictures of a folder, in natural order of their names (2 before 10)."""

    def __init__(self, path: Path) -> None:
        self.name, self.folders = str(path), [path]
        self.files = sorted((f for f in path.iterdir() if f.suffix.lower() in PICTURES), key=_natural)
        if not self.files:
            kinds = " ".join(sorted(PICTURES))
            raise SourceError(f"source: {path} holds no pictures; expected files ending in {kinds}")
        self.frames = len(self.files)

    def __iter__(self) -> Iterator[Frame]:
        for file in self.files:
            picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            if picture is None:
                raise SourceError(f"source: {file} cannot be decoded; remove it or put a whole picture there")
            yield to_bgr8(np.asarray(picture), str(file))


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def to_bgr8(picture: npt.NDArray[np.generic], name: str = "picture") -> Frame:
    """Any H×W, H×W×1, ×3 or ×4 picture of 8 or 16 bit to H×W×3 uint8 BGR, a new array.

    Raises:
        SourceError: another shape or type.
    """
    shaped = picture[..., None] if picture.ndim == 2 else picture
    known = shaped.dtype in (np.uint8, np.uint16)
    if not known or shaped.ndim != 3 or shaped.shape[2] not in (1, 3, 4):
        got = f"{picture.dtype} {picture.shape}"
        raise SourceError(f"source: {name} is {got}, expected a grey or colour picture of 8 or 16 bit")
    colour = np.repeat(shaped, 3, 2) if shaped.shape[2] == 1 else shaped[..., :3]
    if colour.dtype == np.uint16:
        return ((colour.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.array(colour, np.uint8, order="C")


class LiveStream(Source):
    """A camera or a stream, read by a thread of its own; iteration always gives the newest frame."""

    def __init__(self, address: int | str, name: str) -> None:
        self.name, self.live = name, True
        self._capture = cv2.VideoCapture(address)
        if not self._capture.isOpened():
            raise SourceError(f"source: {name} cannot be opened; is it connected, reachable, and not in use?")
        self.fps = float(self._capture.get(cv2.CAP_PROP_FPS)) or FOLDER_FPS
        self._newest: Frame | None = None
        self._ended = False
        self._ready = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._ended:
            found, frame = self._capture.read()
            with self._ready:
                self.dropped += self._newest is not None
                self._newest = np.asarray(frame, np.uint8) if found else None
                self._ended = self._ended or not found
                self._ready.notify()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._ready:
                if not self._ready.wait_for(
                    lambda: self._newest is not None or self._ended, STREAM_TIMEOUT_S
                ):
                    raise SourceError(f"source: {self.name} gave no frame for {STREAM_TIMEOUT_S:.0f} s")
                frame, self._newest = self._newest, None
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        self._ended = True
        self._reader.join(2.0)
        self._capture.release()
