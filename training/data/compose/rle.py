"""Instance masks as COCO writes them: run lengths, column by column, packed into text.

Source: pycocotools, common/maskApi.c, rleFrString and rleDecode.
"""

import numpy as np

from tracker.arrays import Bools
from tracker.errors import SourceError

Mask = Bools


def decode_mask(text: str, height: int, width: int) -> Mask:
    """Decode a compressed run-length string to an H×W mask.

    Raises:
        SourceError: the runs do not fill the picture.
    """
    runs = _run_lengths(text)
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise SourceError(
            f"mask: its runs hold {sum(runs)} pixels, expected {height}×{width}; is the index cut?"
        )
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width, height).T


def _run_lengths(text: str) -> list[int]:
    """Yield runs: five bits per character, least first, signed; from the fourth run on, changes of runs."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        code = ord(character) - 48
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    return runs
