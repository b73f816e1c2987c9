"""A run is one YAML file: read, checked, and turned into the dataclasses of training/recipe/schema.py.

Unknown keys, wrong types and impossible values are refused with the key, the
value and the nearest legal name. `key=value` overrides use dotted keys; a
phase is addressed by its name: `phases.exits.samples=1000`. Lengths may be
said in epochs (`epochs`, `warmup_epochs`, `at_epochs`, `every_epochs`,
`validate_epochs`) where `data.epoch_samples` is stated; they are samples from
then on.
"""

from pathlib import Path
from typing import Any

import yaml

from training.recipe import yaml_tree
from training.recipe.checks import check
from training.recipe.errors import RecipeError
from training.recipe.schema import Recipe


def load(path: Path, overrides: list[str] | None = None) -> Recipe:
    """Read and check a recipe.

    Raises:
        RecipeError: the file cannot be read, or a key or value is not legal.
    """
    try:
        recipe = _built(yaml_tree.parse(_text(path), f"recipe {path}"), overrides or [])
    except RecursionError as error:
        raise RecipeError(f"recipe {path}: nests without an end; look for an anchor within itself") from error
    check(recipe)
    return recipe


def _built(tree: Any, overrides: list[str]) -> Recipe:
    for text in overrides:
        yaml_tree.override(tree, text)
    data = tree.get("data") if isinstance(tree, dict) else None
    epoch_samples = data.get("epoch_samples") if isinstance(data, dict) else None
    recipe: Recipe = yaml_tree.build(Recipe, yaml_tree.epochs_to_samples(tree, epoch_samples), "")
    return recipe


def _text(path: Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"recipe {path}: {error.strerror}; expected a YAML file") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"recipe {path}: is no text in UTF-8; expected a YAML file") from error


def dump(recipe: Recipe) -> str:
    """Write the resolved recipe as YAML, every value written out."""
    return yaml.safe_dump(yaml_tree.plain(recipe), sort_keys=False, width=110)
