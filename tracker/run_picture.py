"""The picture of a whole run: a film strip above a timeline of depth, score and ms."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from tracker.arrays import Floats, Image
from tracker.draw import DARK, FONT, GREY, Colour, overlay
from tracker.history import Moment
from tracker.state import LOST, TRACKED, UNSURE
from tracker.tracker import Prediction

WIDTH, LEFT, RIGHT = 1280, 64, 24
CHART_PX, AXIS_PX, LABEL_PX, GAP = 130, 34, 24, 4
LANDSCAPE_COLUMNS, PORTRAIT_COLUMNS = 3, 6
SHADES: dict[str, Colour] = {UNSURE: (214, 240, 255), LOST: (214, 214, 250)}
Shot = tuple[int, Image]


def shot(frame: Image, seen: Prediction, depths: int, pixel_aspect: float = 1.0) -> Image:
    """Return a frame as large as its cell of the film strip, drawn on after that, so that it can be read."""
    height, width = frame.shape[0], frame.shape[1] * pixel_aspect
    columns = LANDSCAPE_COLUMNS if width >= height else PORTRAIT_COLUMNS
    cell = WIDTH // columns - GAP
    size = cell, max(1, round(cell * height / width))
    shrinks = size[0] < frame.shape[1]
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    across, down = size[0] / frame.shape[1], size[1] / frame.shape[0]
    x, y, w, h = seen.box
    scaled = replace(seen, box=(x * across, y * down, w * across, h * down))
    return overlay(np.asarray(small, np.uint8), scaled, depths)


def run_picture(
    shots: Sequence[Shot], moments: Sequence[Moment], depths: int, first: int, limits: tuple[float, float]
) -> Image:
    """Return the film strip of the shots above the timeline.

    Args:
        shots: a few (frame number, picture by `shot`), in order, all of one size.
        moments: of the frames from `first` on, without a gap.
        limits: scores of the deepest exit below which a target is LOST, and UNSURE.

    Spans of UNSURE and LOST frames are shaded.
    """
    ends = np.cumsum([0, *(m.frames for m in moments)], dtype=np.float64)
    scale = (WIDTH - LEFT - RIGHT) / max(1.0, ends[-1])
    edges: Floats = LEFT + ends * scale
    ms = [m.seconds * 1e3 for m in moments]
    ms_ticks = round_ticks(float(np.percentile(ms or [0.0], 99)) * 1.1 + 1e-3)
    depth, score = [m.depth for m in moments], [m.score for m in moments]
    charts = [
        _chart("depth", moments, edges, depth, (0.5, depths + 0.5), range(1, depths + 1), steps=True),
        _chart("score", moments, edges, score, (0.0, 1.0), (0, 0.5, 1), limits=limits),
        _chart("ms", moments, edges, ms, (0.0, ms_ticks[-1]), ms_ticks),
    ]
    return np.vstack([_film_strip(shots), _legend(moments), *charts, _axis(first, int(ends[-1]))])


def _film_strip(shots: Sequence[Shot]) -> Image:
    """Draw rows of pictures, each above its frame number."""
    height, width = shots[0][1].shape[:2]
    columns = WIDTH // (width + GAP)
    lines = -(-len(shots) // columns)
    strip = np.full((lines * (height + LABEL_PX) + GAP, WIDTH, 3), DARK, np.uint8)
    for i, (number, picture) in enumerate(shots):
        y, x = i // columns * (height + LABEL_PX) + GAP, i % columns * (width + GAP) + GAP // 2
        strip[y : y + height, x : x + width] = picture
        _text(strip, f"frame {number}", (x + 4, y + height + 16), (245, 245, 245), 0.45)
    return strip


def _legend(moments: Sequence[Moment]) -> Image:
    """Draw what the shades mean, when there are any."""
    states = [state for state in SHADES if any(m.state == state for m in moments)]
    legend = np.full((LABEL_PX if states else 0, WIDTH, 3), 255, np.uint8)
    for i, state in enumerate(states):
        x = LEFT + 110 * i
        cv2.rectangle(legend, (x, 6), (x + 18, 18), SHADES[state], -1)
        _text(legend, state, (x + 24, 17), DARK, 0.42)
    return legend


def _axis(first: int, frames: int) -> Image:
    axis = np.full((AXIS_PX, WIDTH, 3), 255, np.uint8)
    for share in np.linspace(0, 1, 6):
        at = int(LEFT + share * (WIDTH - RIGHT - LEFT))
        _text(axis, str(round(first + share * max(0, frames - 1))), (at - 10, 16), DARK, 0.42)
    _text(axis, "frame", (8, 16), DARK, 0.42)
    return axis


def round_ticks(high: float) -> list[float]:
    """Return 0 and up to four ticks in round steps (1, 2 or 5 times 10ⁿ); the last is at least `high` > 0."""
    power = 10.0 ** math.floor(math.log10(high / 4))
    step = next(f * power for f in (1, 2, 5, 10) if 4 * f * power >= high)
    return [i * step for i in range(math.ceil(high / step) + 1)]


def _chart(
    name: str,
    moments: Sequence[Moment],
    edges: Floats,
    values: Sequence[float],
    span: tuple[float, float],
    ticks: Sequence[float],
    steps: bool = False,
    limits: Sequence[float] = (),
) -> Image:
    """Draw a line through the values, each in the middle of its moment or, as steps, over all of it."""
    chart = np.full((CHART_PX, WIDTH, 3), 255, np.uint8)
    for state, begin, end in _shaded(moments, edges):
        cv2.rectangle(chart, (begin, 20), (end, CHART_PX - 10), SHADES[state], -1)
    for tick in ticks:
        at = _level(tick, span)
        cv2.line(chart, (LEFT, at), (WIDTH - RIGHT, at), (225, 225, 225), 1)
        _text(chart, f"{tick:g}", (34, at + 4), GREY, 0.4)
    for state, limit in zip((LOST, UNSURE), limits, strict=False):
        at = _level(limit, span)
        for dash in range(LEFT, WIDTH - RIGHT, 12):
            cv2.line(chart, (dash, at), (dash + 5, at), GREY, 1)
        _text(chart, f"{state} < {limit:.2f}", (WIDTH - RIGHT - 92, at - 3), GREY, 0.36)
    y = [_level(value, span) for value in values]
    x = np.repeat(edges, 2)[1:-1] if steps else (edges[1:] + edges[:-1]) / 2
    points = np.stack([x, np.repeat(y, 2) if steps else y], 1).round().astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(chart, [points], False, (190, 110, 30), 2, cv2.LINE_AA)
    _text(chart, name, (8, 16), DARK, 0.5)
    return chart


def _shaded(moments: Sequence[Moment], edges: Floats) -> Iterator[tuple[str, int, int]]:
    for i, moment in enumerate(moments):
        if moment.state != TRACKED:
            yield (
                moment.state,
                round(float(edges[i])),
                max(round(float(edges[i + 1])), round(float(edges[i])) + 1),
            )


def _level(value: float, span: tuple[float, float]) -> int:
    low, high = span
    share = (min(max(value, low), high) - low) / (high - low)
    return round(CHART_PX - 10 - share * (CHART_PX - 40))


def _text(picture: Image, text: str, at: tuple[int, int], colour: Colour, size: float) -> None:
    cv2.putText(picture, text, at, FONT, size, colour, 1, cv2.LINE_AA)
