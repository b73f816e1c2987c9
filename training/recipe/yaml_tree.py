"""YAML to frozen dataclasses: overrides, epochs to samples, types checked, wrong names answered."""

import dataclasses
import difflib
import re
import sys
import types
import typing
from collections.abc import Iterable
from typing import Any

import yaml

from training.recipe.errors import RecipeError

IN_EPOCHS = {
    "epochs": "samples",
    "warmup_epochs": "warmup_samples",
    "at_epochs": "at_samples",
    "every_epochs": "every_samples",
    "validate_epochs": "validate_samples",
}

EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")
"""YAML 1.1 reads text where the point or the exponent's sign is missing: 1e-3."""


def nearest(value: str, legal: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no legal name is near."""
    near = difflib.get_close_matches(value, list(legal), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"the key {key.value!r} stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(str(key.value))
        return node


def parse(text: str, what: str) -> Any:
    """Parse the YAML `text` to dicts, lists and scalars; `what` begins the message of an error."""
    try:
        return yaml.load(text, _Loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise RecipeError(f"{what}: {line}{error.problem}; expected YAML") from error
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"{what}: {str(error).splitlines()[0]}; expected YAML") from error


def override(tree: Any, text: str) -> None:
    """Set one `dotted.key=value` in `tree`; a phase is addressed by its name, a missing section is begun."""
    key, mark, value = text.partition("=")
    if not mark:
        raise RecipeError(f"override: got {text!r}, expected key=value, for example seed=3")
    *parents, last = key.split(".")
    node = tree
    for part in parents:
        node = _section(node, part, key)
    if not isinstance(node, dict):
        raise RecipeError(f"override: got {key!r}, which names no single value")
    node[last] = parse(value, f"override: got {text!r}")


def _section(node: Any, part: str, key: str) -> Any:
    """Return what `part` of the override's `key` names in `node`; begin a section that is missing or null."""
    if isinstance(node, list):
        named = {phase["name"]: phase for phase in node if isinstance(phase, dict) and "name" in phase}
        if part not in named:
            hint = nearest(part, map(str, named))
            raise RecipeError(f"override: got {key!r}, but the recipe has no {part!r}{hint}")
        return named[part]
    if not isinstance(node, dict):
        raise RecipeError(f"override: got {key!r}, which names no single value")
    if node.get(part) is None:
        node[part] = {}
    return node[part]


def epochs_to_samples(tree: Any, epoch_samples: Any, where: str = "") -> Any:
    """Copy `tree` with every key of `IN_EPOCHS` said in samples, rounded to whole ones.

    Raises:
        RecipeError: an epoch is used but its samples are not stated, or a length is given in both units.
    """
    if isinstance(tree, list):
        return [epochs_to_samples(item, epoch_samples, _key(where, i, item)) for i, item in enumerate(tree)]
    if not isinstance(tree, dict):
        return tree
    out = {}
    for key, value in tree.items():
        name = f"{where}.{key}" if where else str(key)
        if key not in IN_EPOCHS:
            out[key] = epochs_to_samples(value, epoch_samples, name)
            continue
        if IN_EPOCHS[key] in tree:
            raise RecipeError(f"recipe: {name} and {IN_EPOCHS[key]} say the same; leave one out")
        if type(epoch_samples) is not int:
            raise RecipeError(f"recipe: {name} needs data.epoch_samples, for example 50000")
        out[IN_EPOCHS[key]] = _samples(value, epoch_samples, name)
    return out


def _key(where: str, i: int, item: Any) -> str:
    """Return the dotted key of a list item, by its name where it has one, as an override would say it."""
    return f"{where}.{item['name']}" if isinstance(item, dict) and "name" in item else f"{where}[{i}]"


def _samples(epochs: Any, epoch_samples: int, where: str) -> Any:
    if isinstance(epochs, list):
        return [_samples(item, epoch_samples, f"{where}[{i}]") for i, item in enumerate(epochs)]
    try:
        return round(_number(epochs, where) * epoch_samples)
    except OverflowError as error:
        raise RecipeError(f"recipe: {where} got {epochs}, which are too many samples for a number") from error


def _number(value: Any, where: str) -> float:
    """Every float of a recipe, so that none is infinite or NaN."""
    if isinstance(value, str) and EXPONENT.fullmatch(value):
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise RecipeError(f"recipe: {where} got {value!r}, expected a number")
    if not abs(value) <= sys.float_info.max:
        raise RecipeError(f"recipe: {where} got {value}, expected a finite number")
    return float(value)


def build(kind: Any, tree: Any, where: str) -> Any:
    """`tree` as the dataclass, tuple, union or scalar `kind`; `where` is the dotted key so far."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if tree is None:
            return None
        return build(next(a for a in arguments if a is not type(None)), tree, where)
    if origin is tuple:
        if not isinstance(tree, list):
            raise RecipeError(f"recipe: {where} got {tree!r}, expected a list")
        return tuple(build(arguments[0], item, _key(where, i, item)) for i, item in enumerate(tree))
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, tree, where)
    if kind is float:
        return _number(tree, where)
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
            hint = nearest(str(key), fields) or f"; legal: {', '.join(fields)}"
            raise RecipeError(f"recipe: {name} has the unknown key {key!r}{hint}")
    for key, field in fields.items():
        if key not in tree and field.default is dataclasses.MISSING:
            raise RecipeError(f"recipe: {name} lacks the key {key!r}")
    prefix = f"{where}." if where else ""
    return kind(**{key: build(hints[key], value, prefix + key) for key, value in tree.items()})


def plain(value: Any) -> Any:
    """Invert `build`: dataclasses become dicts, tuples lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(v) for v in value] if isinstance(value, tuple) else value
