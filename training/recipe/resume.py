"""The recipe in a run folder: what a run was begun with, it goes on with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracker.files import write_text
from training.recipe.errors import RecipeError
from training.recipe.load import dump, load
from training.recipe.schema import Recipe
from training.recipe.yaml_tree import plain

FREE = ("data.root", "data.images", "threads", "checkpoint_samples", "validate_samples", "tensorboard")
"""Keys that a resumed run may change: none of them says what is learnt."""


def write_recipe(recipe: Recipe, folder: Path) -> None:
    """Write the resolved recipe to `folder`/recipe.yaml."""
    write_text(folder / "recipe.yaml", dump(recipe))


def refusal(recipe: Recipe, folder: Path, data_digest: str) -> str | None:
    """Why `recipe` (resolved) on these data cannot go on from `folder`'s checkpoint; None where it can.

    Raises:
        RecipeError: there is a checkpoint, but its recipe cannot be read.
    """
    if not (folder / "checkpoint.pt").is_file():
        return None
    try:
        begun = load(folder / "recipe.yaml")
    except RecipeError as error:
        raise RecipeError(f"run {folder}: {error}; take another folder (--run FOLDER)") from error
    for key, old, new in _differences(plain(begun), plain(recipe)):
        if key not in FREE:
            return (
                f"recipe: {key} got {json.dumps(new)}, but the run in {folder} was begun with "
                f"{json.dumps(old)}; take the old value, or another folder (--run FOLDER)"
            )
    trained_on = json.loads((folder / "environment.json").read_text())["data_digest"]
    if trained_on != data_digest:
        return (
            f"recipe: data got others (digest {data_digest}) than the run in {folder} was begun with "
            f"({trained_on}); take those, or another folder (--run FOLDER)"
        )
    return None


def _differences(old: Any, new: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted keys whose values differ, in the recipe's order, with both values; a phase goes by its name."""
    if where == "phases":
        before, now = ([phase["name"] for phase in phases] for phases in (old, new))
        if before != now:
            yield where, before, now
            return
        old, new = (dict(zip(now, phases, strict=True)) for phases in (old, new))
    if isinstance(old, dict) and isinstance(new, dict):
        for key in new:
            yield from _differences(old[key], new[key], f"{where}.{key}" if where else key)
    elif old != new:
        yield where, old, new
