"""Starts that are allowed and seldom meant: what a person is told about them."""

import os

import numpy as np

from tracker.arrays import Image
from tracker.boxes import Box, checked

MOSTLY = 0.5  # of a box that must lie inside the frame
FLAT_LEVELS = 2.0  # standard deviation of pixels that show nothing to follow


def on_box(frame: Image, box: Box) -> tuple[Box, list[str]]:
    """Return the box to start with, and warnings.

    A box larger than the frame in either direction, or with most of its area
    outside, is cut to the part inside.

    Raises:
        BoxError: not finite, no area, or wholly outside the frame.
    """
    height, width = frame.shape[:2]
    x, y, w, h = checked(box, width, height)
    inside = max(x, 0.0), max(y, 0.0), min(x + w, width), min(y + h, height)
    part = inside[0], inside[1], inside[2] - inside[0], inside[3] - inside[1]
    warnings = []
    if (x + w > width or y + h > height) and 0 <= x < w <= width and 0 <= y < h <= height:
        warnings.append(
            f"box: {_shown(box)} reaches outside the {width}x{height} frame; "
            f"if it was meant as x1,y1,x2,y2, give {_shown((x, y, w - x, h - y))}"
        )
    if w > width or h > height or part[2] * part[3] < MOSTLY * w * h:
        warnings.append(
            f"box: {_shown(box)} reaches far outside the {width}x{height} frame; "
            f"used is the part inside, {_shown(part)}"
        )
        box = part
    if _flat(frame, part):
        warnings.append(f"box: {_shown(box)} shows one flat colour, which nothing can follow")
    return box, warnings


def _flat(frame: Image, part: Box) -> bool:
    x, y, w, h = part
    shown = frame[int(y) : max(int(y) + 1, round(y + h)), int(x) : max(int(x) + 1, round(x + w))]
    return bool(np.std(shown, axis=(0, 1)).max() < FLAT_LEVELS)


def _shown(box: Box) -> str:
    return ",".join(f"{v:g}" for v in box)


def on_threads(threads: int) -> list[str]:
    """Warn of more threads than this process has cores, which slows every one of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads <= cores:
        return []
    return [f"threads: got {threads} for {cores} cores, which is slower than --threads {cores}"]
