"""What a person sees: the box by state, the gate panel, and the picture of a whole run."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tracker.boxes import Box
from tracker.state import LOST, TRACKED
from tracker.tracker import Prediction

Image = npt.NDArray[np.uint8]
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
SHOTS_PER_ROW = 3


def overlay(frame: Image, seen: Prediction, depths: int, panel: bool = True) -> Image:
    """Return a copy of the frame with the box and the panel.

    TRACKED is a solid green box, UNSURE a dashed amber one, LOST none: state
    is told by colour, line and word.
    """
    out = frame.copy()
    scale = max(0.6, min(frame.shape[:2]) / 640)
    if seen.state == TRACKED:
        _rectangle(out, seen.box, GREEN, scale)
    elif seen.state != LOST:
        _dashed(out, seen.box, AMBER, scale)
    if panel:
        _panel(out, seen, depths, scale)
    return out


def _corners(box: Box) -> tuple[int, int, int, int]:
    x, y, w, h = box
    return round(x), round(y), round(x + w), round(y + h)


def _rectangle(out: Image, box: Box, colour: Colour, scale: float) -> None:
    x0, y0, x1, y1 = _corners(box)
    cv2.rectangle(out, (x0, y0), (x1, y1), DARK, max(3, round(4 * scale)), cv2.LINE_AA)
    cv2.rectangle(out, (x0, y0), (x1, y1), colour, max(1, round(2 * scale)), cv2.LINE_AA)


def _dashed(out: Image, box: Box, colour: Colour, scale: float) -> None:
    x0, y0, x1, y1 = _corners(box)
    thick = max(1, round(2 * scale))
    for x in range(x0, x1, 2 * DASH_PX):
        for y in (y0, y1):
            cv2.line(out, (x, y), (min(x + DASH_PX, x1), y), colour, thick, cv2.LINE_AA)
    for y in range(y0, y1, 2 * DASH_PX):
        for x in (x0, x1):
            cv2.line(out, (x, y), (x, min(y + DASH_PX, y1)), colour, thick, cv2.LINE_AA)


def _panel(out: Image, seen: Prediction, depths: int, scale: float) -> None:
    """Bottom left: a bar with a cell for each stage, lit as deep as the frame went; state, score, ms."""
    colour = {TRACKED: GREEN, LOST: RED}.get(seen.state, AMBER)
    spent = f"{seen.seconds * 1e3:4.1f} ms" if seen.depth else "given"
    text = f"{seen.state:<8}{seen.score:.2f}  {spent}"
    size = 0.55 * scale + 0.1
    (width, height), _ = cv2.getTextSize(text, FONT, size, 1)
    pad, cell = round(8 * scale), round(20 * scale)
    bar = depths * (cell + 3) if seen.depth else 0
    right, top = pad * 3 + bar + width, out.shape[0] - height - 3 * pad
    area = out[top:, : min(right + pad, out.shape[1])]
    area[:] = (area * 0.35 + np.asarray(DARK) * 0.65).astype(np.uint8)
    y0, y1 = out.shape[0] - height - round(1.8 * pad), out.shape[0] - round(1.2 * pad)
    for k in range(depths if seen.depth else 0):
        x0 = pad + k * (cell + 3)
        lit = k < seen.depth
        cv2.rectangle(out, (x0, y0), (x0 + cell, y1), colour if lit else GREY, -1 if lit else 1, cv2.LINE_AA)
    cv2.putText(out, text, (2 * pad + bar, y1 - 1), FONT, size, WHITE, 1, cv2.LINE_AA)


def run_picture(
    shots: Sequence[tuple[int, Image]], rows: Sequence[Prediction], depths: int, first: int = 1
) -> Image:
    """Draw a film strip above a timeline of depth, score and ms.

    Args:
        shots: a few (frame number, annotated frame), in order, all of one size.
        rows: predictions of frames `first`, `first` + 1, …
    """
    width, margin = 1280, 64
    strip = _film_strip(shots, width)
    x = np.linspace(margin, width - 24, max(2, len(rows)))
    ms = np.array([r.seconds * 1e3 for r in rows] or [0.0])
    ms_ticks = round_ticks(float(np.percentile(ms, 99)) * 1.1 + 1e-3)
    depth = np.array([r.depth for r in rows] or [1])
    score = np.array([r.score for r in rows] or [0.0])
    charts = [
        _chart("depth", x, depth, (0.5, depths + 0.5), range(1, depths + 1), width, steps=True),
        _chart("score", x, score, (0.0, 1.0), (0, 0.5, 1), width),
        _chart("ms", x, ms, (0.0, ms_ticks[-1]), ms_ticks, width),
    ]
    axis = np.full((34, width, 3), 255, np.uint8)
    for share in np.linspace(0, 1, 6):
        at, number = int(margin + share * (width - 24 - margin)), round(first + share * max(0, len(rows) - 1))
        cv2.putText(axis, str(number), (at - 10, 16), FONT, 0.42, DARK, 1, cv2.LINE_AA)
    cv2.putText(axis, "frame", (8, 16), FONT, 0.42, DARK, 1, cv2.LINE_AA)
    return np.vstack([strip, *charts, axis])


def _film_strip(shots: Sequence[tuple[int, Image]], width: int) -> Image:
    """Rows of SHOTS_PER_ROW pictures, each above its frame number."""
    columns = min(SHOTS_PER_ROW, len(shots))
    cell, gap, label = width // columns, 4, 24
    height = round((cell - gap) * shots[0][1].shape[0] / shots[0][1].shape[1])
    lines = -(-len(shots) // columns)
    strip = np.full((lines * (height + label) + gap, width, 3), DARK, np.uint8)
    for i, (number, frame) in enumerate(shots):
        y, x = i // columns * (height + label) + gap, i % columns * cell + gap // 2
        small = cv2.resize(frame, (cell - gap, height), interpolation=cv2.INTER_AREA)
        strip[y : y + height, x : x + cell - gap] = small
        at = (x + 4, y + height + 16)
        cv2.putText(strip, f"frame {number}", at, FONT, 0.45, WHITE, 1, cv2.LINE_AA)
    return strip


def round_ticks(high: float) -> list[float]:
    """0 and up to four more in steps of 1, 2 or 5 times a power of ten; the last is at least `high` > 0."""
    power = 10.0 ** math.floor(math.log10(high / 4))
    step = next(f * power for f in (1, 2, 5, 10) if 4 * f * power >= high)
    return [i * step for i in range(math.ceil(high / step) + 1)]


def _chart(
    name: str,
    x: npt.NDArray[np.float64],
    values: npt.NDArray[np.generic],
    limits: tuple[float, float],
    ticks: Sequence[float],
    width: int,
    steps: bool = False,
) -> Image:
    height, low, high = 130, *limits
    chart = np.full((height, width, 3), 255, np.uint8)
    level = np.asarray(values, np.float64).clip(low, high)
    y = height - 10 - (level - low) / (high - low) * (height - 40)
    for tick in ticks:
        at = round(height - 10 - (tick - low) / (high - low) * (height - 40))
        cv2.line(chart, (64, at), (width - 24, at), (225, 225, 225), 1)
        cv2.putText(chart, f"{tick:g}", (34, at + 4), FONT, 0.4, GREY, 1, cv2.LINE_AA)
    if len(y) < len(x):
        x = x[: len(y)]
    if steps:
        half = (x[1] - x[0]) / 2 if len(x) > 1 else 1.0
        x, y = np.repeat(x, 2) + np.tile([-half, half], len(x)), np.repeat(y, 2)
        x = x.clip(64, width - 24)
    points = np.stack([x, y], 1).round().astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(chart, [points], False, (190, 110, 30), 2, cv2.LINE_AA)
    cv2.putText(chart, name, (8, 16), FONT, 0.5, DARK, 1, cv2.LINE_AA)
    return chart
