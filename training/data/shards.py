"""JPEG tar shards: pictures that would not fit decoded, read at random and decoded as far as a crop needs.

A folder of plain tars (any tar program lists them) and a table of where each
picture lies, its size and its items; training/data/write_shards.py makes it, and
`data.root` of a recipe may name it. A picture is found by offset, so sample i
stays a function of (seed, phase, i): ranks share samples, not shards, and none
is drawn twice.

Source: Ying et al. 2018, arXiv 1811.06992 (sharded input, fused decode and
crop); the tars follow webdataset's layout, one key a picture.
"""

import json
import os
import weakref
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tracker.arrays import Float32s, Image, Ints
from tracker.crop import Window, cut
from tracker.errors import SourceError
from training.data.jpeg_tiles import DamagedError, decode, decode_part, scale_for

TABLE, INDEX = "shards.json", "index.npz"
LAYOUT = 1


class Tar:
    """A file open for reading at offsets; closed when nobody refers to it any more."""

    def __init__(self, path: Path) -> None:
        self.name, self._descriptor = path.name, os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, start: int, size: int) -> bytes:
        """Read at most `size` bytes, fewer at the end of the file; from any thread."""
        return os.pread(self._descriptor, size, start)


@dataclass(frozen=True)
class ShardStore:
    """A PictureStore of JPEGs; safe to read from many threads.

    Attributes:
        folder, files: where the tars are, and the tars.
        shard, start, size: of m pictures: its tar, where its bytes begin there, how many.
        fill: m×3, mean colour, BGR.
        picture: of n items: its picture.
        others: see PictureStore.
    """

    folder: Path
    files: tuple[Tar, ...]
    shard: npt.NDArray[np.int32]
    start: Ints
    size: npt.NDArray[np.int32]
    fill: npt.NDArray[np.uint8]
    picture: npt.NDArray[np.int32]
    height: npt.NDArray[np.int32]
    width: npt.NDArray[np.int32]
    box: Float32s
    track: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int8]
    group: npt.NDArray[np.int32]
    digest: str

    def encoded(self, item: int) -> bytes:
        """Read the picture's JPEG.

        Raises:
            SourceError: the tar ends before the picture does.
        """
        picture = int(self.picture[item])
        size, file = int(self.size[picture]), self.files[int(self.shard[picture])]
        data = file.read(int(self.start[picture]), size)
        if len(data) != size:
            raise self._damaged(picture, f"{len(data)} bytes, expected {size}")
        return data

    def image(self, item: int) -> Image:
        """Decode the whole picture, H×W×3 BGR.

        Raises:
            SourceError: the picture is damaged.
        """
        try:
            return decode(self.encoded(item))
        except DamagedError as error:
            raise self._damaged(int(self.picture[item]), str(error)) from error

    def region(self, item: int, window: Window, px: int) -> Image:
        """See PictureStore.

        Up to a window of 2·px the pixels are exactly those of `cut` from the
        whole picture. Beyond it the picture is decoded at reduced scale: in
        photographs 1.5 grey levels from `cut` on average, at most 5 in a crop.
        """
        fill = tuple(int(v) for v in self.fill[self.picture[item]])
        x0, x1 = (min(max(x, 0), int(self.width[item])) for x in (window.x0, window.x0 + window.side))
        y0, y1 = (min(max(y, 0), int(self.height[item])) for y in (window.y0, window.y0 + window.side))
        if x0 == x1 or y0 == y1:
            return np.full((px, px, 3), fill, np.uint8)
        try:
            part = decode_part(self.encoded(item), (x0, y0, x1, y1), scale_for(window.side, px))
        except DamagedError as error:
            raise self._damaged(int(self.picture[item]), str(error)) from error
        shifted = Window(window.x0 - part.left, window.y0 - part.top, window.side)
        if part.scale == 1:
            return cut(part.image, shifted, px, fill)
        return _cut_scaled(part.image, shifted, part.scale, px, fill)

    def _damaged(self, picture: int, found: str) -> SourceError:
        name = self.files[int(self.shard[picture])].name
        return SourceError(
            f"shards {self.folder}: picture {picture} of {name} is damaged ({found}); "
            "copy or write the shards again"
        )


def _cut_scaled(image: Image, window: Window, scale: int, px: int, fill: tuple[int, ...]) -> Image:
    """Cut as `cut` does from a picture with every scale-th pixel only; the window counts all of them."""
    step = window.side / (px * scale)
    shift = step / 2 - 0.5
    matrix = np.array([[step, 0, window.x0 / scale + shift], [0, step, window.y0 / scale + shift]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(
        image, matrix, (px, px), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )
    return np.asarray(out, np.uint8)


def open_shards(folder: Path) -> ShardStore:
    """Open what write_shards wrote; reads the table, not the pictures.

    Raises:
        SourceError: a file is missing, cut off, or of another layout.
    """
    try:
        table = json.loads((folder / TABLE).read_text())
        with np.load(folder / INDEX) as index:
            columns = {name: index[name] for name in index.files}
    except (OSError, ValueError) as error:
        raise SourceError(
            f"shards {folder}: cannot read {TABLE} and {INDEX} ({error}); write the shards again"
        ) from error
    if table.get("layout") != LAYOUT:
        raise SourceError(
            f"shards {folder}: layout {table.get('layout')}, expected {LAYOUT}; write the shards again"
        )
    files = tuple(_open_tar(folder, entry["file"], entry["bytes"]) for entry in table["shards"])
    return ShardStore(folder, files, **columns, digest=table["digest"])


def _open_tar(folder: Path, name: str, size: int) -> Tar:
    path = folder / name
    found = path.stat().st_size if path.is_file() else None
    if found != size:
        got = "is missing" if found is None else f"has {found} bytes"
        raise SourceError(
            f"shards {folder}: {name} {got}, expected {size} bytes; copy or write the shards again"
        )
    return Tar(path)
