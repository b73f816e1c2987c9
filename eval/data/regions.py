"""Regions of VOT and their overlap, as the official toolkit rasterises them.

A region is a rectangle (4 floats x, y, w, h), a polygon (P×2 points), or None
for a frame without one. Coordinates are rounded, both regions are filled as
pixel masks inside the frame, and the overlap is the IoU of the masks. The fill
rule of polygons (borders included) is the toolkit's own (vot-toolkit 0.7.4,
region/raster.py); another rule gives other numbers.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tracker.arrays import Bools, Float32s, Floats
from tracker.boxes import Box
from tracker.errors import SourceError

Region = Float32s | None
Bounds = tuple[int, int, int, int]
EMPTY: Bounds = (0, 0, 0, 0)


def rectangle(box: Iterable[float]) -> Float32s:
    """x, y, w, h as a region."""
    return np.asarray(list(box), np.float32)


def read_regions(path: Path) -> list[Region]:
    """Rows of 4 (x, y, w, h) or of 6 and more numbers (x1, y1, x2, y2, …); NaN rows are None.

    Raises:
        SourceError: missing, or a row that is neither; the row is named.
    """
    regions: list[Region] = []
    for i, row in enumerate(read_rows(path), start=1):
        if row is not None and len(row) != 4 and (len(row) < 6 or len(row) % 2):
            raise SourceError(
                f"groundtruth: {path}, row {i}: got {len(row)} numbers, expected 4, or pairs of a polygon"
            )
        values = None if row is None else row.astype(np.float32)
        regions.append(values if values is None or len(values) == 4 else values.reshape(-1, 2))
    return regions


def read_rows(path: Path) -> list[Floats | None]:
    """Numbers between commas, tabs or spaces; a row with a NaN or an empty cell is None, an empty row none.

    Raises:
        SourceError: missing, or a row with something else; the row is named.
    """
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise SourceError(f"groundtruth: {path} cannot be read ({error})") from error
    return [_numbers(line, f"{path}, row {i}") for i, line in enumerate(lines, start=1)]


def _numbers(line: str, where: str) -> Floats | None:
    cells = line.split(",") if "," in line else line.split()
    try:
        values = np.array([float(cell) if cell.strip() else math.nan for cell in cells])
    except ValueError as error:
        raise SourceError(
            f"groundtruth: {where}: got {line!r}, expected numbers between commas, tabs or spaces"
        ) from error
    return None if np.isnan(values).any() else values


def is_empty(region: Region) -> bool:
    """No region, or one without area."""
    if region is None:
        return True
    if region.ndim == 1:
        return not (region[2] > 0 and region[3] > 0)
    return bool((region.min(0) == region.max(0)).any())


def hull(region: Float32s | Floats) -> Box:
    """Return the axis-aligned box x, y, w, h around a region."""
    if region.ndim == 1:
        x, y, w, h = (float(v) for v in region)
        return x, y, w, h
    (x0, y0), (x1, y1) = region.min(0), region.max(0)
    return float(x0), float(y0), float(x1 - x0), float(y1 - y0)


def region_overlap(a: Region, b: Region, size: tuple[int, int] | None = None) -> float:
    """IoU of the two masks in [0, 1]; `size` (width, height) clips them to the frame.

    Two regions that together cover no area are the same (1); regions outside the frame share nothing (0).
    """
    a, b = _rounded(a), _rounded(b)
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = _bounds(a), _bounds(b)
    x0, y0, x1, y1 = min(ax0, bx0), min(ay0, by0), max(ax1, bx1), max(ay1, by1)
    if x0 >= x1 or y0 >= y1:
        return 1.0
    if size is not None:
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(size[0] - 1, x1), min(size[1] - 1, y1)
        if x0 >= x1 or y0 >= y1:
            return 0.0
    bounds = (x0, y0, x1, y1)
    p, q = _mask(a, bounds), _mask(b, bounds)
    union = np.count_nonzero(p | q)
    return np.count_nonzero(p & q) / union if union else 0.0


def _rounded(region: Region) -> Region:
    return None if region is None else np.round(region)


def _bounds(region: Region) -> Bounds:
    """First and last column and row that a rounded region covers."""
    if region is None:
        return EMPTY
    if region.ndim == 1:
        x, y, w, h = (int(v) for v in region)
        return x, y, x + w - 1, y + h - 1
    (x0, y0), (x1, y1) = region.min(0), region.max(0)
    return int(x0), int(y0), int(x1), int(y1)


def _mask(region: Region, bounds: Bounds) -> Bools:
    """Return the pixels of `bounds` (last ones included) that a rounded region covers."""
    mask = np.zeros((bounds[3] - bounds[1] + 1, bounds[2] - bounds[0] + 1), bool)
    if region is None:
        return mask
    if region.ndim == 2:
        _fill(mask, region.astype(np.float64) - bounds[:2])
        return mask
    x0, y0, x1, y1 = _bounds(region)
    if x0 <= bounds[2] and x1 >= bounds[0] and y0 <= bounds[3] and y1 >= bounds[1]:
        mask[max(0, y0 - bounds[1]) : y1 - bounds[1] + 1, max(0, x0 - bounds[0]) : x1 - bounds[0] + 1] = True
    return mask


def _fill(mask: Bools, points: Floats) -> None:
    """Fill a polygon row by row between pairs of crossings, as the toolkit does."""
    height, width = mask.shape
    edges = list(zip(points.tolist(), np.roll(points, 1, 0).tolist(), strict=True))
    for y in range(height):
        nodes = sorted(x for (x, y0), (px, py) in edges for x in _crossing(x, y0, px, py, y))
        i = 0
        while i < len(nodes) - 1:
            first, last = nodes[i], nodes[i + 1]
            if first >= width:
                break
            if first == last and i < len(nodes) - 2:
                i += 1
                continue
            if last >= 0:
                mask[y, max(first, 0) : min(last, width - 1) + 1] = True
            i += 2


def _crossing(x0: float, y0: float, x1: float, y1: float, y: int) -> tuple[int, ...]:
    """Column where the edge meets the row, none or one; truncated towards zero."""
    if y0 == y1:
        return (int(x0),) if y0 == y else ()
    if min(y0, y1) <= y <= max(y0, y1):
        return (int(x0 + (y - y0) / (y1 - y0) * (x1 - x0)),)
    return ()
