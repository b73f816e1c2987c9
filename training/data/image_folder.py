"""A folder of classified pictures, as ImageNet is kept: FOLDER/train/CLASS/*.jpg and FOLDER/val/CLASS/*.jpg.

A class is a folder; its number is its place among the sorted names in `train`.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tracker.arrays import Image, Ints
from tracker.errors import SourceError
from training.data.jpeg_tiles import (
    DamagedError,
    Part,
    decode,
    decode_part,
    scale_for,
    size_of,
)

ENDINGS = (".jpg", ".jpeg", ".png")
PLAIN = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION

Corners = tuple[int, int, int, int]


@dataclass(frozen=True)
class Split:
    """n pictures.

    Attributes:
        folder: which `names` (CLASS/FILE) are relative to.
        labels: n numbers of classes.
    """

    folder: Path
    names: tuple[str, ...]
    labels: Ints

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class ImageFolder:
    """Its classes by number and its pictures; val: None where there are none; digest: of all names."""

    classes: tuple[str, ...]
    train: Split
    val: Split | None
    digest: str


def open_images(folder: Path) -> ImageFolder:
    """List the pictures of a folder; none is opened.

    Raises:
        SourceError: no `train`, no class, a class without pictures, or a class of `val` that `train` lacks.
    """
    train = folder / "train"
    classes = _subfolders(train) if train.is_dir() else []
    if not classes:
        raise SourceError(
            f"images: {train} has no folders of classes; set data.images to a folder of train/CLASS/*.jpg"
        )
    numbers = {name: i for i, name in enumerate(classes)}
    val = _list(folder / "val", numbers) or None if (folder / "val").is_dir() else None
    listed = _list(train, numbers)
    names = "\n".join([*listed.names, "", *(val.names if val else ())])
    return ImageFolder(tuple(classes), listed, val, hashlib.sha256(names.encode()).hexdigest()[:16])


def _subfolders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())


def _list(folder: Path, numbers: dict[str, int]) -> Split:
    names: list[str] = []
    labels: list[int] = []
    for name in _subfolders(folder):
        if name not in numbers:
            raise SourceError(f"images: {folder / name} is a class that train lacks, expected the same")
        found = sorted(
            f"{name}/{e.name}" for e in os.scandir(folder / name) if e.name.lower().endswith(ENDINGS)
        )
        if not found:
            raise SourceError(f"images: {folder / name} has no picture, expected some *.jpg or *.png")
        names += found
        labels += [numbers[name]] * len(found)
    return Split(folder, tuple(names), np.asarray(labels, np.int64))


class Picture:
    """A picture file whose size is known and whose pixels are decoded only where a crop needs them."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            SourceError: not a picture that can be read.
        """
        self.path = path
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise SourceError(f"images: cannot read {path} ({error.strerror})") from error
        self._whole: Image | None = None
        try:
            self.height, self.width = size_of(self._data)
        except DamagedError:
            self._whole = self._decoded_by_opencv()
            self.height, self.width = self._whole.shape[:2]

    def crop(self, corners: Corners, side: int) -> Image:
        """[x0, x1) × [y0, y1) in pixels of the picture, resized to side×side×3 BGR.

        Of a JPEG only that part is decoded if it is in tiles (training/data/jpeg_tiles.py),
        and by 1/2, 1/4 or 1/8 where the crop is so much larger than `side`.

        Raises:
            SourceError: the picture is damaged.
        """
        x0, y0, x1, y1 = corners
        part = self._part(corners, scale_for(min(x1 - x0, y1 - y0), side))
        left, top, right, bottom = (
            round((at - begin) / part.scale)
            for at, begin in zip(corners, (part.left, part.top) * 2, strict=True)
        )
        pixels = part.image[top : max(bottom, top + 1), left : max(right, left + 1)]
        shrinks = min(pixels.shape[:2]) > side
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(pixels, (side, side), interpolation=how), np.uint8)

    def _part(self, corners: Corners, scale: int) -> Part:
        if self._whole is None:
            try:
                return decode_part(self._data, corners, scale)
            except DamagedError:
                pass
            try:
                return Part(decode(self._data, scale), 0, 0, scale)
            except DamagedError:
                self._whole = self._decoded_by_opencv()
        return Part(self._whole, 0, 0, 1)

    def _decoded_by_opencv(self) -> Image:
        """Decode by OpenCV what is no JPEG, a damaged but legible one, or one of other colours (CMYK)."""
        image = cv2.imdecode(np.frombuffer(self._data, np.uint8), PLAIN) if self._data else None
        if image is None:
            raise SourceError(f"images: cannot decode {self.path}; replace the picture or take it out")
        return np.asarray(image, np.uint8)
