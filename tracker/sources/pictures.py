"""Pictures as sources: a folder of them, those that a pattern names, or one that moves.

Pictures of any kind become H×W×3 uint8 BGR by one rule: grey is repeated
over the channels, alpha is dropped, 16-bit values are divided by 257 and
rounded, so that 65535 becomes 255; what EXIF says of turning is done.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tracker.arrays import Image
from tracker.errors import SourceError
from tracker.sources.source import FALLBACK_FPS, Source, Timed

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
KINDS = " ".join(sorted(PICTURES))
AS_VIEWERS_DO = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH


class Pictures(Source):
    """Pictures in the given order, 25 a second."""

    def __init__(self, name: str, files: Sequence[Path], folders: Sequence[Path] = ()) -> None:
        self.name, self.files, self.folders = name, files, folders
        self.frames = len(files)

    def timed(self) -> Iterator[Timed]:
        for i, file in enumerate(self.files):
            yield i / FALLBACK_FPS, read_picture(file)


class PictureFolder(Pictures):
    """The pictures of a folder, in natural order of their names (2 before 10).

    Raises:
        SourceError: it holds none.
    """

    def __init__(self, path: Path) -> None:
        files = _sorted(f for f in path.iterdir() if f.suffix.lower() in PICTURES)
        if not files:
            raise SourceError(f"source: {path} holds no pictures; expected files ending in {KINDS}")
        super().__init__(str(path), files, [path])


def by_pattern(text: str) -> Pictures | None:
    """Return the pictures that `pics/*.jpg` or `pics/%04d.jpg` names, in order; None when it is no pattern.

    Raises:
        SourceError: no picture has such a name.
    """
    path = Path(text)
    plain = re.escape(path.name)
    numbered = re.sub(r"%0?(\d*)d", lambda width: rf"\d{{{int(width[1] or 1)},}}", plain)
    if numbered != plain:
        found = [f for f in _listed(path.parent) if re.fullmatch(numbered, f.name)]
    elif re.search(r"[*?\[]", text):
        found = list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    else:
        return None
    files = _sorted(f for f in found if f.suffix.lower() in PICTURES)
    if not files:
        raise SourceError(f"source: no picture has a name like {text}; expected files ending in {KINDS}")
    return Pictures(text, files, sorted({f.parent for f in files}))


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _sorted(files: Iterator[Path]) -> list[Path]:
    return sorted(files, key=_natural)


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    parts = re.split(r"(\d+)", str(path).lower())
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


class Animation(Source):
    """A picture that moves: WebP, PNG or AVIF, each frame for as long as it says.

    Raises:
        SourceError: it cannot be decoded.
    """

    def __init__(self, path: Path) -> None:
        found, animation = cv2.imreadanimation(str(path))
        if not found:
            raise SourceError(f"source: {path} cannot be decoded; is it a whole picture?")
        self.name, self.files = str(path), [path]
        self._frames = animation.frames
        ends = np.cumsum(animation.durations, dtype=np.float64) / 1e3
        self._times = np.concatenate([[0.0], ends[:-1]])
        self.frames = len(self._frames)
        self.fps = self.frames / ends[-1] if ends[-1] > 0 else FALLBACK_FPS

    def timed(self) -> Iterator[Timed]:
        for time_s, frame in zip(self._times, self._frames, strict=True):
            yield float(time_s), to_bgr8(np.asarray(frame), self.name)


def picture_file(path: Path) -> Source:
    """Open one picture: its frames when it moves, else itself."""
    still = Pictures(str(path), [path])
    if path.suffix.lower() not in (".webp", ".png"):
        return still
    moving = Animation(path)
    return moving if moving.frames != 1 else still


def read_picture(file: Path) -> Image:
    """Return a picture file as H×W×3 uint8 BGR.

    Raises:
        SourceError: it cannot be decoded, or is larger than OpenCV reads (2³⁰ pixels).
    """
    try:
        picture = cv2.imread(str(file), AS_VIEWERS_DO)
    except cv2.error as error:
        raise SourceError(f"source: {file} is too large a picture; expected at most 2^30 pixels") from error
    if picture is None:
        raise SourceError(f"source: {file} cannot be decoded; remove it or put a whole picture there")
    return to_bgr8(np.asarray(picture), str(file))


def to_bgr8(picture: npt.NDArray[np.generic], name: str = "picture") -> Image:
    """Convert any H×W, H×W×1, ×3 or ×4 picture of 8 or 16 bit to H×W×3 uint8 BGR, a new array.

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
