"""A picture of what the network sees: `app.py train RECIPE --show-batch OUT.png`."""

from pathlib import Path

import cv2
import numpy as np

from tracker.arrays import Image
from tracker.errors import SourceError
from training.data.open import open_store
from training.data.pairs import SEARCH_PX, TEMPLATE_PX, Pairs, Sample
from training.recipe.errors import RecipeError
from training.recipe.schema import Recipe
from training.tasks.tracking import open_composed, pair_stream

COLUMNS, ROWS, CAPTION = 4, 6, 18
PRESENT, ABSENT, INK, PAPER = (60, 220, 60), (60, 60, 230), (235, 235, 235), 30


def show_batch(recipe: Recipe, picture: Path) -> str:
    """Draw the first samples of the recipe's first phase; returns a line that says so.

    Raises:
        RecipeError: it does not train a tracker.
        SourceError: the data cannot be read, or the picture cannot be written.
    """
    if recipe.data.root is None:
        raise RecipeError("--show-batch: got a recipe with data.images, expected one that trains a tracker")
    phase = recipe.phases[0]
    store, library = open_store(Path(recipe.data.root)), open_composed(recipe)
    count = draw_batch(pair_stream(recipe, store, library, phase), picture)
    return f"{count} samples of the phase {phase.name}: {picture}"


def draw_batch(stream: Pairs, path: Path) -> int:
    """Write the first samples of `stream` as a sheet; returns how many.

    A sample is its template beside its search crop, with the box (green: the
    target is there; red: it is not, and nothing should be found) and a line
    that says how it was made.

    Raises:
        SourceError: the picture cannot be written.
    """
    count = COLUMNS * ROWS
    tiles = [_tile(stream.sample(index), f"{index} {stream.describe(index)}") for index in range(count)]
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, count, COLUMNS)]
    if not path.parent.is_dir() or not cv2.imwrite(str(path), np.vstack(rows)):
        raise SourceError(
            f"--show-batch: cannot write {path}; give the name of a .png in a folder that exists"
        )
    return count


def _tile(sample: Sample, text: str) -> Image:
    """Draw one sample on (256 + caption)×(128 + 256)×3."""
    tile = np.full((SEARCH_PX + CAPTION, TEMPLATE_PX + SEARCH_PX, 3), PAPER, np.uint8)
    tile[CAPTION : CAPTION + TEMPLATE_PX, :TEMPLATE_PX] = sample.template[TEMPLATE_PX]
    search = sample.search[SEARCH_PX].copy()
    left, top, right, bottom = (round(edge) for edge in sample.box)
    colour = PRESENT if sample.present else ABSENT
    if sample.present:
        cv2.rectangle(search, (left, top), (right, bottom), colour, 1)
    else:
        cv2.rectangle(search, (0, 0), (SEARCH_PX - 1, SEARCH_PX - 1), colour, 3)
    tile[CAPTION:, TEMPLATE_PX:] = search
    word = "present" if sample.present else "absent"
    for where, line, ink in (((4, 13), text, INK), ((4, CAPTION + TEMPLATE_PX + 16), word, colour)):
        cv2.putText(tile, line, where, cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink, 1, cv2.LINE_AA)
    return tile
