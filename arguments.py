"""What a word on the command line may be; a wrong one is an ArgumentTypeError that says what was expected.

It loads nothing, so that `--help` is quick, and belongs to no room: `app`, `eval` and `training` import it.
"""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracker.boxes import Box


def box(text: str) -> "Box":
    """x,y,w,h in pixels."""
    try:
        x, y, w, h = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected four numbers x,y,w,h") from error
    return x, y, w, h


def count(text: str) -> int:
    """Read a whole number from 0."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number from 0")
    return int(text)


def numbers(text: str) -> list[int]:
    """Whole numbers from 1 with commas between them."""
    return [positive(part) for part in text.split(",")]


def positive(text: str) -> int:
    """Read a whole number from 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number from 1")
    return int(text)
