"""Boxes (x, y, w, h) in pixels of the frame: checks and arithmetic, inputs never modified."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tracker.arrays import Floats
from tracker.errors import BoxError

Box = tuple[float, float, float, float]


def checked(box: Iterable[float], width: int, height: int) -> Box:
    """Check a box and return it as four floats.

    Raises:
        BoxError: not four finite numbers, no area, or wholly outside a width×height frame.
    """
    try:
        values = [float(v) for v in box]
    except (TypeError, ValueError) as error:
        raise BoxError(f"box: got {box!r}, expected four numbers x,y,w,h") from error
    if len(values) != 4:
        raise BoxError(f"box: got {len(values)} numbers, expected four: x,y,w,h")
    x, y, w, h = values
    shown = ",".join(f"{v:g}" for v in values)
    if not all(math.isfinite(v) for v in values):
        raise BoxError(f"box: got {shown}, expected finite numbers x,y,w,h")
    if w <= 0 or h <= 0:
        raise BoxError(f"box: got {shown}, which has no area; expected w > 0 and h > 0")
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise BoxError(f"box: got {shown}, which lies outside the {width}x{height} frame")
    return x, y, w, h


def overlap(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Intersection over union of N×4 with N×4 xywh boxes (or 4 with 4), N values in [0, 1].

    NaN boxes give NaN; two boxes without area give 0.
    """
    p, q = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    low = np.maximum(p[:, :2], q[:, :2])
    high = np.minimum(p[:, :2] + p[:, 2:], q[:, :2] + q[:, 2:])
    inter = np.clip(high - low, 0, None).prod(1)
    union = p[:, 2:].prod(1) + q[:, 2:].prod(1) - inter
    ratio: Floats = np.clip(inter / np.where(union == 0, 1.0, union), 0.0, 1.0)
    return ratio
