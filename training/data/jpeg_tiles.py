"""Fused decode and crop: only the tiles of a JPEG that a crop touches, at the scale that it needs.

A restart marker every few blocks resets the entropy coder, so a picture
written with markers falls into tiles that decode alone: what a crop touches is
cut out of the bytes, put behind a header of the new size, and handed to
libjpeg-turbo, which can decode it at 1/2, 1/4 or 1/8 as well (a smaller
inverse transform instead of a full one and a resize). At full scale the pixels
are those of the whole picture, bit for bit.

Sources: ITU-T T.81, sections B.2.1 (markers) and F.1.1.5.2 (what a restart
resets); Ying et al. 2018, arXiv 1811.06992, for the fusion.
"""

import struct
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from tracker.arrays import Image, Ints

MCU_PX = 16
"""Side of a block with chroma at half resolution (4:2:0)."""

TILE_MCUS = (4, 3, 5, 6, 2)
SCALES = (8, 4, 2, 1)
MARGIN_PX = 2
"""Chroma is interpolated from its neighbours, two pixels away."""


class DamagedError(ValueError):
    """The bytes are not a whole JPEG as `encode` writes it."""


@dataclass(frozen=True)
class Part:
    """Decoded tiles that begin at (left, top) of the picture; `scale` of its pixels make one of `image`."""

    image: Image
    left: int
    top: int
    scale: int


@dataclass(frozen=True)
class _Layout:
    height: int
    width: int
    size_at: int
    scan_at: int
    tile_mcus: int


def encode(image: Image, quality: int) -> bytes:
    """H×W×3 BGR as a baseline JPEG, 4:2:0, in tiles one block high; any decoder reads it."""
    settings = {
        cv2.IMWRITE_JPEG_QUALITY: quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        cv2.IMWRITE_JPEG_RST_INTERVAL: _tile_mcus(image.shape[1]),
    }
    _, data = cv2.imencode(".jpg", image, [value for pair in settings.items() for value in pair])
    return data.tobytes()


def decode(data: bytes, scale: int = 1) -> Image:
    """Decode a whole JPEG to ⌈H/scale⌉×⌈W/scale⌉×3 BGR; scale as in `decode_part`.

    Raises:
        DamagedError: the bytes end early, are no JPEG, or hold colours that are no BGR (CMYK).
    """
    height, width = size_of(data) if scale > 1 else (0, 0)
    return _decoded(data, -(-height // scale), -(-width // scale), scale)


def size_of(data: bytes) -> tuple[int, int]:
    """Height and width of any JPEG, from its header.

    Raises:
        DamagedError: no JPEG begins here.
    """
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise DamagedError(str(error)) from error
    return int(height), int(width)


def decode_part(data: bytes, corners: tuple[int, int, int, int], scale: int = 1) -> Part:
    """Decode the tiles that hold [x0, x1) × [y0, y1), which lies inside the picture.

    Args:
        data: written by `encode`.
        corners: x0, y0, x1, y1 in pixels of the picture, x0 < x1, y0 < y1.
        scale: 1, 2, 4 or 8: pixels of the picture a decoded pixel.

    Raises:
        DamagedError: the bytes end early, or are not in tiles.
    """
    layout = _layout(data)
    tile_px = layout.tile_mcus * MCU_PX
    x0, y0, x1, y1 = corners
    columns = max(0, x0 - MARGIN_PX) // tile_px, -(-min(x1 + MARGIN_PX, layout.width) // tile_px)
    rows = max(0, y0 - MARGIN_PX) // MCU_PX, -(-min(y1 + MARGIN_PX, layout.height) // MCU_PX)
    left, top = columns[0] * tile_px, rows[0] * MCU_PX
    width = min(columns[1] * tile_px, layout.width) - left
    height = min(rows[1] * MCU_PX, layout.height) - top
    if (height, width) != (layout.height, layout.width):
        data = _cut_out(data, layout, rows, columns, (height, width))
    return Part(_decoded(data, -(-height // scale), -(-width // scale), scale), left, top, scale)


def scale_for(window_px: int, out_px: int) -> int:
    """Return the strongest scale that leaves at least out_px of a side of window_px."""
    return next((scale for scale in SCALES if window_px >= scale * out_px), 1)


def _tile_mcus(width: int) -> int:
    """Blocks a tile: about four, a divisor of those in a row, since a marker must not straddle rows."""
    in_row = -(-width // MCU_PX)
    return next((n for n in TILE_MCUS if in_row % n == 0), in_row)


def _decoded(data: bytes, height: int, width: int, scale: int) -> Image:
    try:
        image = simplejpeg.decode_jpeg(data, "BGR", min_height=height, min_width=width, min_factor=scale)
    except ValueError as error:
        raise DamagedError(str(error)) from error
    return np.asarray(image, np.uint8)


def _layout(data: bytes) -> _Layout:
    at, size_at, height, width, tile_mcus = 2, 0, 0, 0, 0
    while at + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == 0xFFC0:
            size_at = at + 5
            height, width = struct.unpack_from(">HH", data, size_at)
        elif marker == 0xFFDD:
            (tile_mcus,) = struct.unpack_from(">H", data, at + 4)
        elif marker == 0xFFDA and size_at and tile_mcus:
            return _Layout(height, width, size_at, at + 2 + length, tile_mcus)
        at += 2 + length
    raise DamagedError("no baseline JPEG with restart markers")


def _cut_out(
    data: bytes,
    layout: _Layout,
    rows: tuple[int, int],
    columns: tuple[int, int],
    size: tuple[int, int],
) -> bytes:
    """Build a JPEG of `size` (height, width) from the tiles in the half-open ranges of rows and columns."""
    raw = np.frombuffer(data, np.uint8)
    ends = _tile_ends(raw, layout)
    starts = np.append(layout.scan_at, ends.reshape(-1)[:-1] + 2).reshape(ends.shape)
    header = bytearray(data[: layout.scan_at])
    struct.pack_into(">HH", header, layout.size_at, *size)
    pieces, marks, written = [np.frombuffer(header, np.uint8)], [], layout.scan_at
    for row in range(*rows):
        start, end = int(starts[row, columns[0]]), int(ends[row, columns[1] - 1]) + 2
        pieces.append(raw[start:end])
        marks.append(ends[row, columns[0] : columns[1]] - start + written)
        written += end - start
    out = np.concatenate(pieces)
    at = np.concatenate(marks)
    out[at + 1] = 0xD0 + np.arange(len(at)) % 8
    out[at[-1] + 1] = 0xD9
    return out.tobytes()


def _tile_ends(raw: Image, layout: _Layout) -> Ints:
    """Rows×columns: where the marker after each tile lies (a restart, or the end of the picture)."""
    scan = raw[layout.scan_at :]
    follows = scan[1:] & 0xF8
    restarts = np.flatnonzero((scan[:-1] == 0xFF) & (follows == 0xD0)) + layout.scan_at
    shape = -(-layout.height // MCU_PX), -(-layout.width // (MCU_PX * layout.tile_mcus))
    if len(restarts) + 1 != shape[0] * shape[1] or raw[-2:].tobytes() != b"\xff\xd9":
        raise DamagedError(f"{len(restarts) + 1} tiles, expected {shape[0] * shape[1]}")
    return np.append(restarts, len(raw) - 2).reshape(shape)
