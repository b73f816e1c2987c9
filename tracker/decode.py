"""Score and ltrb maps to a box in the frame.

As in SiamRPN and its successors (Li et al. 2018, section 3.3): a penalty on
changes of scale and ratio, a cosine window on displacement, and a size that
follows slowly; the score reported is the network's own at the chosen cell.
"""

import math
from dataclasses import dataclass

import numpy as np

from tracker.arrays import Float32s
from tracker.crop import Window
from tracker.engine import StageOutput
from tracker.manifest import DecodeConstants, Geometry


@dataclass(frozen=True, slots=True)
class Candidate:
    """The chosen cell: centre and size in the frame, score in [0, 1], penalty in [0, 1]."""

    cx: float
    cy: float
    w: float
    h: float
    score: float
    penalty: float


class Decoder:
    """The constant arrays of a geometry, and the map from outputs to a candidate."""

    def __init__(self, geometry: Geometry, constants: DecodeConstants) -> None:
        n = geometry.map_px
        self._stride = float(geometry.stride)
        self._search_px = float(geometry.search_px)
        self._constants = constants
        at = (geometry.first_cell_px + geometry.stride * np.arange(n)).astype(np.float32)
        self._x, self._y = np.tile(at, n), np.repeat(at, n)
        distance = np.clip(np.abs(at / geometry.search_px - 0.5) * 2, 0, 1)
        hann = 0.5 + 0.5 * np.cos(math.pi * distance)
        self._window = (constants.window * np.outer(hann, hann).ravel()).astype(np.float32)

    def __call__(self, output: StageOutput, window: Window, w: float, h: float) -> Candidate:
        """Decode the outputs of one target (N = 1) seen in `window`; w, h: its last size in the frame.

        Where the chosen cell's numbers are not finite nothing was seen: the centre of the
        window, the last size, score 0.
        """
        logits = output.score.reshape(-1)
        left, top, right, bottom = output.ltrb.reshape(4, -1)
        score = 1.0 / (1.0 + np.exp(-logits))
        zoom = self._search_px / window.side / self._stride
        penalty = self._penalty(left + right, top + bottom, w * zoom, h * zoom)
        ranked = penalty * score
        ranked *= 1.0 - self._constants.window
        ranked += self._window
        i = int(np.argmax(ranked))
        unit = window.side / self._search_px
        x = float(self._x[i]) + (float(right[i]) - float(left[i])) / 2 * self._stride
        y = float(self._y[i]) + (float(bottom[i]) - float(top[i])) / 2 * self._stride
        seen = Candidate(
            cx=window.x0 + x * unit,
            cy=window.y0 + y * unit,
            w=float(left[i] + right[i]) * self._stride * unit,
            h=float(top[i] + bottom[i]) * self._stride * unit,
            score=float(score[i]),
            penalty=float(penalty[i]),
        )
        if not math.isfinite(seen.cx + seen.cy + seen.w + seen.h + float(logits[i]) + seen.penalty):
            half = window.side / 2
            return Candidate(window.x0 + half, window.y0 + half, w, h, 0.0, 0.0)
        return seen

    def _penalty(self, widths: Float32s, heights: Float32s, w: float, h: float) -> Float32s:
        """Return exp(−k(s·r − 1)), s and r ≥ 1 the changes of scale and of ratio against w×h, in strides."""
        half = (widths + heights) * 0.5
        scale = np.sqrt((widths + half) * (heights + half)) * np.float32(1.0 / _scale(w, h))
        ratio = widths / heights * np.float32(h / w)
        change = np.maximum(scale, 1.0 / scale) * np.maximum(ratio, 1.0 / ratio)
        penalty: Float32s = np.exp((1.0 - change) * np.float32(self._constants.penalty))
        return penalty


def _scale(w: float, h: float) -> float:
    half = (w + h) * 0.5
    return math.sqrt((w + half) * (h + half))
