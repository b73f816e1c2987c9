"""Cut the square window around the target, and the way back to the frame.

One integer window per frame; every crop of that frame is a resize of the same
window, so a small and a large crop show the same pixels. Training cuts its
crops with these functions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Window:
    """Square [x0, x0 + side) × [y0, y0 + side) in pixels of the frame; may leave it."""

    x0: int
    y0: int
    side: int


def context_side(w: float, h: float) -> float:
    """Side in frame pixels of the template window of a w×h target.

    sqrt((w + c)(h + c)) with c = (w + h) / 2: SiamFC's context margin
    (Bertinetto et al. 2016, section 3.4: p = (w + h) / 4 on each side).
    """
    c = (w + h) / 2
    return math.sqrt((w + c) * (h + c))


def window_at(cx: float, cy: float, side: float) -> Window:
    """The integer window of about `side` pixels whose centre is nearest to (cx, cy)."""
    s = max(2, round(side))
    return Window(math.floor(cx - s / 2 + 0.5), math.floor(cy - s / 2 + 0.5), s)


def cut(frame: Image, window: Window, out_px: int, fill: Sequence[int]) -> Image:
    """Resize the window to out_px×out_px×3 uint8; what lies outside the frame is `fill` (BGR).

    Crop coordinate u in [0, out_px] lies at x0 + u * side / out_px in the
    frame. Shrinking by more than two averages areas, else bilinear.
    """
    height, width = frame.shape[:2]
    x0, y0, side = window.x0, window.y0, window.side
    left, top = min(max(x0, 0), width), min(max(y0, 0), height)
    right, bottom = max(min(x0 + side, width), left), max(min(y0 + side, height), top)
    patch = frame[top:bottom, left:right]
    if patch.size == 0:
        return np.full((out_px, out_px, 3), fill, np.uint8)
    if patch.shape[:2] != (side, side):
        borders = (top - y0, y0 + side - bottom, left - x0, x0 + side - right)
        patch = np.asarray(
            cv2.copyMakeBorder(patch, *borders, cv2.BORDER_CONSTANT, value=tuple(fill)), np.uint8
        )
    if side == out_px:
        return patch.copy()
    shrink = side > 2 * out_px
    resized = cv2.resize(
        patch, (out_px, out_px), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    )
    return resized.astype(np.uint8, copy=False)
