"""Annotated clips of pictures on disk, and the rows that a store keeps of them.

A few frames are taken, evenly spread, since neighbours teach little; and
pictures are shrunk to what a crop can use. Pixels are read only for those.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tracker.arrays import Floats, Image
from tracker.errors import SourceError
from training.data.store import MIN_BOX_PX, Row

FRAMES_PER_TARGET = 30
LONGEST_SIDE = 640


@dataclass(frozen=True, eq=False)
class Target:
    """One object of a clip.

    Attributes:
        name: of the track, like no other.
        boxes: N×4, xywh in pixels of the pictures; NaN: not there.
        group: a class, or a video: what is drawn first.
    """

    name: str
    boxes: Floats
    group: str


@dataclass(frozen=True, eq=False)
class Clip:
    """N pictures in order, their targets, and how far the boxes can be trusted (a kind of frame_store)."""

    pictures: list[Path]
    targets: list[Target]
    kind: int


def clip_rows(clip: Clip) -> Iterator[Row]:
    """Yield a spread of frames for each target; rows of one picture follow each other and share it.

    Raises:
        SourceError: boxes and pictures differ in number, or a picture cannot be read.
    """
    picks: dict[int, list[Target]] = {}
    for target in clip.targets:
        if len(target.boxes) != len(clip.pictures):
            raise SourceError(
                f"{target.name}: {len(target.boxes)} boxes for {len(clip.pictures)} pictures; "
                "expected one each; is the download complete?"
            )
        for i in spread(target.boxes):
            picks.setdefault(i, []).append(target)
    for i, targets in sorted(picks.items()):
        image, scale = read_picture(clip.pictures[i])
        for target in targets:
            x, y, w, h = (float(v) * scale for v in target.boxes[i])
            if min(w, h) >= MIN_BOX_PX:
                yield Row(image, (x, y, w, h), target.name, clip.kind, target.group)


def spread(boxes: Floats) -> list[int]:
    """Choose at most FRAMES_PER_TARGET frames that have a box, the first and the last among them."""
    with np.errstate(invalid="ignore"):
        there = np.flatnonzero((boxes[:, 2:] >= MIN_BOX_PX).all(1) & np.isfinite(boxes).all(1))
    if len(there) < 2:
        return []
    few = np.linspace(0, len(there) - 1, min(FRAMES_PER_TARGET, len(there))).round().astype(int)
    return [int(i) for i in there[few]]


def read_picture(path: Path) -> tuple[Image, float]:
    """Read a picture as BGR, its longer side at most LONGEST_SIDE; also return the scale that did it.

    Raises:
        SourceError: there is no picture.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SourceError(f"cannot read the picture {path}; is it there and complete?")
    scale = min(1.0, LONGEST_SIDE / max(image.shape[:2]))
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(image, np.uint8), scale


def pictures_in(folder: Path) -> list[Path]:
    """List the JPEGs by name; numbers without leading zeros in their order."""
    names = [path for path in folder.glob("*") if path.suffix.lower() in (".jpg", ".jpeg")]
    return sorted(names, key=lambda path: (len(path.stem), path.stem))
