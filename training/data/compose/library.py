"""Cut-out objects and backgrounds: what composed video is made of.

Objects come from `images/masked`; backgrounds from `images/plain`,
`images/masked` and the first frames of `video/`. Decoded once into the
user's cache (training: about 1 GB, half a minute), memory-mapped from there.

The split is by source picture. It is the packs' own, drawn with a seed when
they were made (images: one in ten, ETH-80 and DreamBooth by object; videos:
by scene), so that what PairStream trains on (`train`) is disjoint from what
calibration sees (`val`). From `val` are left out pictures that look like one
of `train`.
"""

import gzip
import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track as progress

from eval.data.sequences import read_frames, read_pack
from tracker.arrays import Floats, Image, Ints
from tracker.cache import user_cache
from tracker.errors import SourceError
from training.data.compose.rle import Mask, decode_mask

LAYOUT = 1
SPLITS = ("train", "val")
LOOKS_ALIKE = 6
"""Bits of 64 in which the DCT hashes of two pictures differ, at most, to count as the same picture."""
MIN_SIDE, MIN_AREA, MIN_SOLID = 32, 700, 0.9
BACKGROUND_SIDE = 480
CLOSE_UP = 0.25
"""Share of a photograph that its objects' boxes cover, from which on it is no background."""
MARGIN = 3
"""Pixels around a mask, for its feathered edge."""

OBJECT, BACKGROUND = 4, 3  # channels of a picture of the library


@dataclass(frozen=True, eq=False)
class Groups:
    """Items to draw from; a group counts by the root of its size, so that no large one crowds out the rest.

    Attributes:
        members: items of each group.
        bounds: cumulative shares of the groups.
        group: number of an item's group.
    """

    members: list[Ints]
    bounds: Floats
    group: dict[int, int]

    @classmethod
    def by_label(cls, items: Ints, label: npt.NDArray[np.str_]) -> "Groups":
        """Group `items` by what `label`, a column of the library, says of them."""
        members = [items[label[items] == name] for name in np.unique(label[items])]
        size = np.sqrt([len(group) for group in members])
        group = {int(item): number for number, group in enumerate(members) for item in group}
        return cls(members, np.cumsum(size / size.sum()), group)

    def draw(self, rng: np.random.Generator) -> int:
        """Draw an item."""
        number = int(np.searchsorted(self.bounds, rng.random(), "right"))
        return int(rng.choice(self.members[min(number, len(self.members) - 1)]))

    def sibling(self, rng: np.random.Generator, item: int) -> int:
        """Draw an item of the same group, perhaps the same one."""
        return int(rng.choice(self.members[self.group[item]]))


@dataclass(frozen=True, eq=False)
class Library:
    """Pictures of one split.

    Attributes:
        pixels: flat uint8.
        offset, height, width, channels: of each picture; 4 channels are an object (BGR times alpha, alpha),
            3 a background (BGR).
        label: class of an object; data set of a background.
        source: picture that it was taken from.
        digest: of the indices that the library was made from.
    """

    pixels: npt.NDArray[np.uint8]
    offset: Ints
    height: Ints
    width: Ints
    channels: Ints
    label: npt.NDArray[np.str_]
    source: npt.NDArray[np.str_]
    digest: str

    def picture(self, item: int) -> Image:
        """Return an item as H×W×3 or H×W×4, a read-only view."""
        shape = int(self.height[item]), int(self.width[item]), int(self.channels[item])
        start = int(self.offset[item])
        return self.pixels[start : start + shape[0] * shape[1] * shape[2]].reshape(shape)

    @cached_property
    def objects(self) -> Groups:
        """By class."""
        return Groups.by_label(np.flatnonzero(self.channels == OBJECT), self.label)

    @cached_property
    def backgrounds(self) -> Groups:
        """By data set."""
        return Groups.by_label(np.flatnonzero(self.channels == BACKGROUND), self.label)


def split_pictures(folder: Path, split: str) -> list[dict[str, Any]]:
    """List the index entries of a picture pack in `split`: `train` or `val`, disjoint by source picture.

    Raises:
        SourceError: the index is missing.
    """
    entries = _jsonl(folder / "images.jsonl.gz")
    inside = [entry for entry in entries if entry["split"] == split]
    if split != "val" or not inside or "phash" not in inside[0]:
        return inside
    trained = _hashes([entry for entry in entries if entry["split"] == "train"])
    bits = np.bitwise_count(_hashes(inside)[:, None] ^ trained[None])
    alone = bits.min(axis=1, initial=64) > LOOKS_ALIKE
    return [entry for entry, kept in zip(inside, alone, strict=True) if kept]


def open_library(root: Path, split: str, cache: Path | None = None) -> Library:
    """Open the library of `root`'s packs; build it on first use.

    Raises:
        SourceError: a pack is missing or cannot be read.
    """
    indices = [
        root / "images/masked/images.jsonl.gz",
        root / "images/masked/instances.jsonl.gz",
        root / "images/plain/images.jsonl.gz",
        root / "video" / split / "index.json",
    ]
    missing = [str(path) for path in indices if not path.is_file()]
    if missing:
        raise SourceError(f"composed video: {missing[0]} is missing; set the root to the folder of the packs")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in indices)).hexdigest()[:16]
    folder = (cache or user_cache()) / f"library-{LAYOUT}-{split}-{digest}"
    if not (folder / "table.npz").is_file():
        write_library(library_pictures(root, split), folder)
    table = np.load(folder / "table.npz")
    pixels = np.memmap(folder / "pixels.u8", np.uint8, "r")
    return Library(pixels, **{name: table[name] for name in table.files}, digest=digest)


def write_library(pictures: Iterator[tuple[Image, str, str]], folder: Path) -> None:
    """Write pixels and table of (picture, label, source); both appear under their names when whole."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes, offset, names, written = [], [], [], 0
    with open(folder / "pixels.u8.part", "wb") as out:
        for picture, label, source in pictures:
            shapes.append(picture.shape)
            names.append((label, source))
            offset.append(written)
            written += out.write(picture.tobytes())
    if not shapes:
        raise SourceError(f"composed video: no object and no background for {folder.name}")
    height, width, channels = np.asarray(shapes, np.int64).T
    label, source = np.asarray(names).T
    os.replace(folder / "pixels.u8.part", folder / "pixels.u8")
    table = dict(
        offset=np.asarray(offset, np.int64),
        height=height,
        width=width,
        channels=channels,
        label=label,
        source=source,
    )
    np.savez(folder / "table.part.npz", **table)
    os.replace(folder / "table.part.npz", folder / "table.npz")


def library_pictures(root: Path, split: str) -> Iterator[tuple[Image, str, str]]:
    """Yield (picture, label, source) of every object and background of a split."""
    masked, plain = root / "images/masked", root / "images/plain"
    by_image: dict[int, list[dict[str, Any]]] = {}
    for instance in _jsonl(masked / "instances.jsonl.gz"):
        by_image.setdefault(instance["image_id"], []).append(instance)
    for entry, image in _decoded(masked, split):
        instances = by_image.get(entry["image_id"], [])
        if sum(i["box"][2] * i["box"][3] for i in instances) < CLOSE_UP * image.shape[0] * image.shape[1]:
            yield image, entry["src"], entry["key"]
        for instance in instances:
            whole = instance["rle"] and not instance["border"]
            if whole and is_solid(mask := decode_mask(instance["rle"], *image.shape[:2])):
                yield cut_out(image, mask), instance["cls"], entry["key"]
    for entry, image in _decoded(plain, split):
        yield image, entry["src"], entry["key"]
    seen: set[str] = set()
    for sequence in read_pack(root / "video" / split):
        if sequence.source_video not in seen:
            seen.add(sequence.source_video)
            first = next(read_frames(sequence.video))
            yield _at_most(first, BACKGROUND_SIDE), sequence.dataset, sequence.source_video


def is_solid(mask: Mask) -> bool:
    """Return whether a mask is large enough to be seen, and in one piece but for a tenth."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if mask.sum() < MIN_AREA or min(np.ptp(rows), np.ptp(columns)) < MIN_SIDE:
        return False
    areas = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    return bool(areas.max() >= MIN_SOLID * areas.sum())


def cut_out(image: Image, mask: Mask) -> Image:
    """Cut an object out as BGR times alpha, and alpha; its edge fades inwards: no ground shines in."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = max(rows[0] - MARGIN, 0), max(columns[0] - MARGIN, 0)
    part = slice(top, rows[-1] + 1 + MARGIN), slice(left, columns[-1] + 1 + MARGIN)
    soft = cv2.GaussianBlur(mask[part].astype(np.float32), (0, 0), 0.9)
    alpha = np.clip((soft - 0.25) / 0.75, 0, 1)[..., None]
    return np.concatenate([image[part] * alpha, alpha * 255], 2).round().astype(np.uint8)


def _decoded(folder: Path, split: str) -> Iterator[tuple[dict[str, Any], Image]]:
    """Yield index entry and BGR picture of each picture of a split, in the order of the archives."""
    by_file = {(entry["tar"], entry["file"]): entry for entry in split_pictures(folder, split)}
    for name in progress(sorted({tar for tar, _ in by_file}), f"reading {folder.name}", transient=True):
        with tarfile.open(folder / name) as archive:
            for member in archive:
                entry = by_file.get((name, member.name))
                data = archive.extractfile(member) if entry is not None else None
                if entry is None or data is None:
                    continue
                image = cv2.imdecode(np.frombuffer(data.read(), np.uint8), cv2.IMREAD_COLOR)
                if image is None:
                    raise SourceError(f"cannot decode {member.name} of {folder / name}")
                yield entry, np.asarray(image, np.uint8)


def _at_most(image: Image, side: int) -> Image:
    shrink = side / max(image.shape[:2])
    if shrink >= 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)


def _hashes(entries: list[dict[str, Any]]) -> npt.NDArray[np.uint64]:
    return np.array([int(entry["phash"], 16) for entry in entries], np.uint64)


def _jsonl(path: Path) -> list[dict[str, Any]]:
    try:
        with gzip.open(path, "rt") as lines:
            return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {path}: {error}") from error
