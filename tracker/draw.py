"""What a person sees in a frame: the box by state, and the panel."""

from collections.abc import Sequence

import cv2
import numpy as np

from tracker.arrays import Image
from tracker.boxes import Box
from tracker.state import LOST, TRACKED
from tracker.tracker import Prediction

Colour = tuple[int, int, int]
GREEN, AMBER, RED, WHITE, GREY, DARK = (
    (96, 208, 64),
    (32, 176, 255),
    (64, 64, 230),
    (245, 245, 245),
    (150, 150, 150),
    (38, 34, 32),
)
FONT = cv2.FONT_HERSHEY_SIMPLEX
DASH_PX = 8
SMALL_TARGET_PX = 24
SMALLEST_TEXT = 0.32  # of FONT: letters of 7 px


def overlay(
    frame: Image, seen: Prediction, depths: int, panel: bool = True, notes: Sequence[str] = ()
) -> Image:
    """Return a copy of the frame with the box and the panel.

    TRACKED is a solid green box, UNSURE a dashed amber one, LOST none: state
    is told by colour, line and word. Lines run around the box, not over the
    target. The panel lies at the bottom, or at the top where it would hide
    the target; what does not fit is left out, the last of the `notes` first.
    """
    out = frame.copy()
    scale = max(0.6, min(frame.shape[:2]) / 640)
    if seen.state != LOST:
        _outline(out, seen.box, scale, seen.state)
        x0, y0, x1, y1 = (max(0, at) for at in _corners(seen.box))
        out[y0:y1, x0:x1] = frame[y0:y1, x0:x1]
    if panel:
        _panel(out, seen, depths, scale, notes)
    return out


def _outline(out: Image, box: Box, scale: float, state: str) -> None:
    """Draw lines around the box, on a dark line where the target is not too small for two."""
    small = min(box[2:]) < SMALL_TARGET_PX * scale
    thick = 1 if small else max(2, round(2 * scale))
    away = thick if small else thick + 1
    x0, y0, x1, y1 = _corners(box)
    corners = x0 - away, y0 - away, x1 - 1 + away, y1 - 1 + away
    if state != TRACKED:
        _dashes(out, corners, AMBER, thick, max(2, round(min(DASH_PX * scale, sum(box[2:]) / 8))))
        return
    if not small:
        cv2.rectangle(out, corners[:2], corners[2:], DARK, 2 * thick + 1)
    cv2.rectangle(out, corners[:2], corners[2:], GREEN, thick)


def _corners(box: Box) -> tuple[int, int, int, int]:
    x, y, w, h = box
    return round(x), round(y), round(x + w), round(y + h)


def _dashes(out: Image, corners: tuple[int, int, int, int], colour: Colour, thick: int, dash: int) -> None:
    x0, y0, x1, y1 = corners
    for x in range(x0, x1, 2 * dash):
        for y in (y0, y1):
            cv2.line(out, (x, y), (min(x + dash, x1), y), colour, thick)
    for y in range(y0, y1, 2 * dash):
        for x in (x0, x1):
            cv2.line(out, (x, y), (x, min(y + dash, y1)), colour, thick)


def _panel(out: Image, seen: Prediction, depths: int, scale: float, notes: Sequence[str]) -> None:
    """Draw a bar for each stage, lit as deep as the frame went; then state, score, ms and notes."""
    colour = {TRACKED: GREEN, LOST: RED}.get(seen.state, AMBER)
    answered = [seen.state, f"{seen.score:.2f}", f"{seen.seconds * 1e3:.1f} ms"]
    words = [*(answered if seen.depth else ["given"]), *notes]
    size = max(SMALLEST_TEXT, 0.55 * scale * min(1.0, out.shape[1] / 320))
    line = cv2.getTextSize("0", FONT, size, 1)[0][1]
    pad, gap, between = max(2, line // 2), line, max(2, line // 4)
    cell = max(4, round(1.3 * line))
    bar = depths * (cell + between) + gap if seen.depth else 0
    widths = [cv2.getTextSize(word, FONT, size, 1)[0][0] for word in words]
    ends = np.cumsum([width + gap for width in widths]) + pad + bar
    shown = int((ends - gap + pad <= out.shape[1]).sum())
    height = line + 2 * pad
    top = _panel_top(out.shape[0], height, seen)
    area = out[top : top + height, : int(ends[shown - 1]) if shown else bar + pad]
    area[:] = (area * 0.35 + np.asarray(DARK) * 0.65).astype(np.uint8)
    y0, y1 = top + pad, min(top + pad + line, out.shape[0] - 1)
    for k in range(depths if seen.depth else 0):
        x0 = pad + k * (cell + between)
        lit = k < seen.depth
        cv2.rectangle(out, (x0, y0), (x0 + cell - 1, y1), colour if lit else GREY, -1 if lit else 1)
    thick = max(1, round(size))
    for word, width, end in zip(words[:shown], widths, ends, strict=False):
        cv2.putText(out, word, (int(end) - gap - width, y1), FONT, size, WHITE, thick, cv2.LINE_AA)


def _panel_top(frame_height: int, height: int, seen: Prediction) -> int:
    """Return the row where the panel begins: at the bottom, unless the target is rather there."""
    bottom, (_, y, _, h) = frame_height - height, seen.box
    hidden_at_bottom, hidden_at_top = max(0.0, y + h - bottom), max(0.0, height - y)
    return 0 if seen.state != LOST and hidden_at_top < hidden_at_bottom else max(0, bottom)
