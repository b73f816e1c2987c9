"""Cut the square window around the target, and the way back to the frame.

One integer window per frame; every crop of that frame is a resize of the same
window, so a small and a large crop show the same pixels. Training cuts its
crops with these functions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from tracker.arrays import Image


@dataclass(frozen=True)
class Window:
    """Square [x0, x0 + side) × [y0, y0 + side) in pixels of the frame; may leave it."""

    x0: int
    y0: int
    side: int


def context_side(w: float, h: float) -> float:
    """Return the side in frame pixels of the template window of a w×h target.

    sqrt((w + c)(h + c)) with c = (w + h) / 2: SiamFC's context margin
    (Bertinetto et al. 2016, section 3.4: p = (w + h) / 4 on each side).
    """
    c = (w + h) / 2
    return math.sqrt((w + c) * (h + c))


def window_at(cx: float, cy: float, side: float) -> Window:
    """Return the integer window of about `side` pixels whose centre is nearest to (cx, cy)."""
    s = max(2, round(side))
    return Window(math.floor(cx - s / 2 + 0.5), math.floor(cy - s / 2 + 0.5), s)


def cut(frame: Image, window: Window, out_px: int, fill: Sequence[int]) -> Image:
    """Resize the window to out_px×out_px×3 uint8; what lies outside the frame is `fill` (BGR).

    Crop coordinate u in [0, out_px] lies at x0 + u * side / out_px in the
    frame. Bilinear; see CropPyramid for windows more than twice as large.
    """
    return CropPyramid(frame, window, fill)[out_px]


class CropPyramid:
    """The crops of one window of one frame, each cut when it is first asked for, none twice.

    A crop that shrinks the window by more than two is the 2×2 mean of one of
    twice its size: three times as fast as averaging areas at once, and a fifth
    of a grey level from it.
    """

    def __init__(self, frame: Image, window: Window, fill: Sequence[int]) -> None:
        self._frame, self._window, self._fill = frame, window, fill
        self._bilinear: dict[int, Image] = {}

    def __getitem__(self, out_px: int) -> Image:
        if self._window.side <= 2 * out_px:
            return self._resized(out_px)
        return _side(self._resized(2 * out_px), out_px, cv2.INTER_AREA)

    def _resized(self, side: int) -> Image:
        if side not in self._bilinear:
            self._bilinear[side] = _side(self._patch, side, cv2.INTER_LINEAR)
        return self._bilinear[side]

    @cached_property
    def _patch(self) -> Image:
        """The window's pixels at their own size; a view where the frame holds them all."""
        height, width = self._frame.shape[:2]
        x0, y0, side = self._window.x0, self._window.y0, self._window.side
        left, top = min(max(x0, 0), width), min(max(y0, 0), height)
        right, bottom = max(min(x0 + side, width), left), max(min(y0 + side, height), top)
        patch = self._frame[top:bottom, left:right]
        if patch.size == 0:
            return np.full((side, side, 3), self._fill, np.uint8)
        if patch.shape[:2] == (side, side):
            return patch
        borders = (top - y0, y0 + side - bottom, left - x0, x0 + side - right)
        framed = cv2.copyMakeBorder(patch, *borders, cv2.BORDER_CONSTANT, value=tuple(self._fill))
        return np.asarray(framed, np.uint8)


def _side(picture: Image, side: int, interpolation: int) -> Image:
    """Return a new square picture of `side` pixels."""
    if picture.shape[0] == side:
        return picture.copy()
    return np.asarray(cv2.resize(picture, (side, side), interpolation=interpolation), np.uint8)
