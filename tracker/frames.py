"""Sources of frames: a video file, a folder of pictures, a camera, a stream.

Every source gives H×W×3 uint8 BGR. Pictures of other kinds are converted by
one rule: grey is repeated over the channels, alpha is dropped, 16-bit values
are divided by 257 and rounded, so that 65535 becomes 255.
"""

import re
import threading
from collections.abc import Iterator
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


class Source:
    """Frames in order; a context manager.

    Attributes:
        name: what the user gave; fps: frames a second of the source, 25 where it does not say.
        frames: how many there are, None when not known.
        live: frames that come too fast are dropped, the newest wins; `dropped` counts them.
    """

    name: str
    fps: float = FOLDER_FPS
    frames: int | None = None
    live: bool = False
    dropped: int = 0

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
        self.name = str(path)
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise SourceError(
                f"source: {path} cannot be opened as a video; is it complete, and a video at all?"
            )
        self.frames = _promised_frames(path) or None
        self.fps = float(self._capture.get(cv2.CAP_PROP_FPS)) or FOLDER_FPS

    def __iter__(self) -> Iterator[Frame]:
        count = 0
        while True:
            found, frame = self._capture.read()
            if not found:
                break
            count += 1
            yield np.asarray(frame, np.uint8)
        if count == 0:
            raise SourceError(f"source: no frame of {self.name} can be decoded; is the file damaged?")
        if self.frames is not None and count < self.frames - 1:
            ends = f"ends after {count} of {self.frames} frames"
            raise SourceError(f"source: {self.name} {ends}; the file is truncated or damaged")

    def close(self) -> None:
        self._capture.release()


def _promised_frames(path: Path) -> int:
    """The number of samples that the container itself lists; 0 where it lists none.

    OpenCV's own count is an estimate from duration × rate for such containers.
    """
    import av

    try:
        with av.open(str(path)) as container:
            return int(container.streams.video[0].frames)
    except (av.FFmpegError, IndexError):
        return 0


class PictureFolder(Source):
    """The pictures of a folder, in natural order of their names (2 before 10)."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._files = sorted((f for f in path.iterdir() if f.suffix.lower() in PICTURES), key=_natural)
        if not self._files:
            kinds = " ".join(sorted(PICTURES))
            raise SourceError(f"source: {path} holds no pictures; expected files ending in {kinds}")
        self.frames = len(self._files)

    def __iter__(self) -> Iterator[Frame]:
        for file in self._files:
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
