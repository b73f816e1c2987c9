"""A run is one YAML file: read, checked, and turned into frozen dataclasses.

Unknown keys, wrong types and impossible values are refused with the key, the
value and the nearest legal name. `key=value` overrides use dotted keys; a
phase is addressed by its name: `phases.exits.samples=1000`.
"""

import dataclasses
import difflib
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tracker.errors import TrackerError

PHASES = ("features", "exits", "gates")
PRECISIONS = ("auto", "fp32", "bf16")


class RecipeError(TrackerError):
    """A recipe that cannot be run; the message names key, value and cure."""


@dataclass(frozen=True)
class Data:
    """root: folder of the packs (`video/`, `images/`), relative to the working directory."""

    root: str


@dataclass(frozen=True)
class Teacher:
    """Whose features and responses are distilled, and its two ONNX files."""

    name: str
    backbone: str
    head: str


@dataclass(frozen=True)
class Phase:
    """One stretch of training with a clock of its own, from 0 to `samples`.

    Attributes:
        name: features (distil the teacher's features), exits (track at every exit), gates.
        batch: samples an update; lr: peak rate; warmup_samples: linear rise, then cosine to 0.
        freeze_norm_from: share of the phase after which the backbone's batch norms use their running moments.
        cost_weight: λ of the joint loss (gates only).
    """

    name: str
    samples: int
    batch: int
    lr: float
    warmup_samples: int = 0
    freeze_norm_from: float = 0.0
    cost_weight: float = 0.1


@dataclass(frozen=True)
class Recipe:
    """A whole run. `teacher` may be null: then the deepest exit teaches the others alone."""

    purpose: str
    network: str
    data: Data
    phases: tuple[Phase, ...]
    teacher: Teacher | None = None
    seed: int = 0
    precision: str = "auto"
    weight_decay: float = 0.02
    ema_decay: float = 0.998
    threads: int = 2
    checkpoint_samples: int = 9600


def load(path: Path, overrides: list[str] | None = None) -> Recipe:
    """Read and check a recipe.

    Raises:
        RecipeError: the file cannot be read, or a key or value is not legal.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise RecipeError(f"recipe {path}: {str(error).splitlines()[0]}; expected a YAML file") from error
    for override in overrides or []:
        _override(tree, override)
    recipe = _build(Recipe, tree, "")
    _check(recipe)
    return recipe


def dump(recipe: Recipe) -> str:
    """The resolved recipe as YAML, every value written out."""
    return yaml.safe_dump(_plain(recipe), sort_keys=False, width=110)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _override(tree: Any, text: str) -> None:
    key, mark, value = text.partition("=")
    if not mark:
        raise RecipeError(f"override: got {text!r}, expected key=value, for example seed=3")
    *parents, last = key.split(".")
    node = tree
    for part in parents:
        if isinstance(node, list):
            node = next(
                (phase for phase in node if isinstance(phase, dict) and phase.get("name") == part), None
            )
        elif isinstance(node, dict):
            node = node.get(part)
        if node is None:
            raise RecipeError(f"override: got {key!r}, but the recipe has no {part!r}")
    if not isinstance(node, dict):
        raise RecipeError(f"override: got {key!r}, which names no single value")
    node[last] = yaml.safe_load(value)


def _build(kind: Any, tree: Any, where: str) -> Any:
    """`tree` as the dataclass, tuple, union or scalar `kind`; `where` is the dotted key so far."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if tree is None:
            return None
        return _build(next(a for a in arguments if a is not type(None)), tree, where)
    if origin is tuple:
        if not isinstance(tree, list):
            raise RecipeError(f"recipe: {where} got {tree!r}, expected a list")
        return tuple(_build(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(tree))
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, tree, where)
    if kind is float and isinstance(tree, int | float) and not isinstance(tree, bool):
        return float(tree)
    if type(tree) is not kind:
        raise RecipeError(f"recipe: {where} got {tree!r}, expected {kind.__name__}")
    return tree


def _build_dataclass(kind: Any, tree: Any, where: str) -> Any:
    name = where or "the recipe"
    if not isinstance(tree, dict):
        raise RecipeError(f"recipe: {name} got {tree!r}, expected keys and values")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    for key in tree:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; legal: {', '.join(fields)}"
            raise RecipeError(f"recipe: {name} has the unknown key {key!r}{hint}")
    for key, field in fields.items():
        if key not in tree and field.default is dataclasses.MISSING:
            raise RecipeError(f"recipe: {name} lacks the key {key!r}")
    prefix = f"{where}." if where else ""
    return kind(**{key: _build(hints[key], value, prefix + key) for key, value in tree.items()})


def _check(recipe: Recipe) -> None:
    if recipe.precision not in PRECISIONS:
        raise RecipeError(
            f"recipe: precision got {recipe.precision!r}, expected one of {', '.join(PRECISIONS)}"
        )
    if not recipe.phases:
        raise RecipeError("recipe: phases is empty, expected at least one of " + ", ".join(PHASES))
    names = [phase.name for phase in recipe.phases]
    for phase in recipe.phases:
        if phase.name not in PHASES:
            near = difflib.get_close_matches(phase.name, PHASES, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise RecipeError(f"recipe: phase got {phase.name!r}, expected one of {', '.join(PHASES)}{hint}")
        if names.count(phase.name) > 1:
            raise RecipeError(f"recipe: the phase {phase.name!r} stands twice")
        positive = {"samples": phase.samples, "batch": phase.batch, "lr": phase.lr}
        for key, value in positive.items():
            if value <= 0:
                raise RecipeError(f"recipe: phases.{phase.name}.{key} got {value}, expected more than 0")
        if phase.name == "features" and recipe.teacher is None:
            raise RecipeError("recipe: the phase 'features' needs a teacher; leave it out or name one")
