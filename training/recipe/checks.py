"""Which values a recipe may have; a wrong one is answered with key, value and what was expected."""

import dataclasses
from typing import Any

from training.recipe.errors import RecipeError
from training.recipe.schema import Data, Decay, Phase, Recipe
from training.recipe.yaml_tree import nearest

PHASES = {"root": ("features", "heads", "exits", "gates"), "images": ("classify",)}
"""By the key of `data` that says what is trained on."""
TAUGHT = ("features", "heads")
"""Phases that copy a teacher."""
IDLE = {"root": ("label_smoothing",), "images": ("freeze_norm_from", "cost_weight")}
"""Keys of a phase that say nothing there."""
PRECISIONS = ("auto", "fp32", "bf16")
OPTIMISERS = ("adamw", "adam", "sgd", "nesterov", "lars", "lars_apply", "lamb")
RULES = ("legw", "sqrt", "linear", "none")
ALL_REDUCES = ("ring", "torus")
GRADIENTS = ("full", "bf16", "fp16")
DECAYS = {
    "constant": ((), ()),
    "step": (("factor", "at_samples"), ()),
    "exponential": (("factor", "every_samples"), ()),
    "polynomial": (("power",), ("end",)),
    "cosine": ((), ("end",)),
}
"""Form: keys that it needs, keys that it may have."""
MOST_THREADS = 1024
MOST_SEED = 2**63 - 1
MOST_SIDE = 4096
MOST_UPDATES = 5_000_000
"""Of a phase; --explain walks and holds them all: 40 s and 2 GB."""


def check(recipe: Recipe) -> None:
    """Check every value of a recipe, and those that depend on each other.

    Raises:
        RecipeError: the first value that is impossible, alone or beside another.
    """
    _one_of("precision", recipe.precision, PRECISIONS)
    _positive("data.epoch_samples", recipe.data.epoch_samples)
    _between("data.side", recipe.data.side, 1, MOST_SIDE)
    _between("data.composed", recipe.data.composed, 0, 1)
    _between("threads", recipe.threads, 1, MOST_THREADS)
    _between("seed", recipe.seed, 0, MOST_SEED)
    _share("ema_decay", recipe.ema_decay)
    _not_negative("weight_decay", recipe.weight_decay)
    _positive("checkpoint_samples", recipe.checkpoint_samples)
    _positive("validate_samples", recipe.validate_samples)
    _positive("distributed.norm_group", recipe.distributed.norm_group)
    _one_of("distributed.all_reduce", recipe.distributed.all_reduce, ALL_REDUCES)
    _one_of("distributed.gradients", recipe.distributed.gradients, GRADIENTS)
    trained_on = _trained_on(recipe.data)
    legal = PHASES[trained_on]
    if trained_on == "images" and recipe.teacher is not None:
        raise RecipeError("recipe: teacher says nothing to data.images; leave it out")
    if trained_on == "images" and recipe.data.resident:
        raise RecipeError("recipe: data.resident says nothing to data.images; leave it out")
    if recipe.data.composed and (trained_on == "images" or recipe.data.resident):
        beside = "data.images" if trained_on == "images" else "data.resident"
        raise RecipeError(f"recipe: data.composed does not go with {beside}; leave one of them out")
    if not recipe.phases:
        raise RecipeError("recipe: phases is empty, expected at least one of " + ", ".join(legal))
    names = [phase.name for phase in recipe.phases]
    for phase in recipe.phases:
        _one_of(f"phase (with data.{trained_on})", phase.name, legal)
        if names.count(phase.name) > 1:
            raise RecipeError(f"recipe: the phase {phase.name!r} stands twice")
        _check_phase(phase, f"phases.{phase.name}")
        _no_idle_key(phase, trained_on)
        if phase.name in TAUGHT and recipe.teacher is None:
            raise RecipeError(f"recipe: the phase {phase.name!r} needs a teacher; leave it out or name one")


def norm_group(recipe: Recipe, processes: int) -> int:
    """Return how many processes share a batch norm's moments; 1 where there is only one process.

    Raises:
        RecipeError: the recipe's group does not divide `processes`.
    """
    size = recipe.distributed.norm_group
    if processes > 1 and processes % size:
        legal = ", ".join(str(n) for n in range(1, processes + 1) if processes % n == 0)
        raise RecipeError(
            f"recipe: distributed.norm_group got {size}, which does not divide {processes} processes; "
            f"expected one of {legal}"
        )
    return size if processes > 1 else 1


def _trained_on(data: Data) -> str:
    """Return the one key of PHASES that `data` has."""
    given = [key for key in PHASES if getattr(data, key) is not None]
    if len(given) != 1:
        raise RecipeError(
            f"recipe: data got {' and '.join(given) or 'neither'}, expected exactly one of the keys "
            "'root' (packs, for a tracker) and 'images' (a folder, for a classifier)"
        )
    return given[0]


def _check_phase(phase: Phase, where: str) -> None:
    for key in ("samples", "batch", "lr", "micro_batch", "max_batch", "clip"):
        _positive(f"{where}.{key}", getattr(phase, key))
    if phase.samples > MOST_UPDATES * phase.batch:
        raise RecipeError(
            f"recipe: {where}.samples got {phase.samples}, expected at most {MOST_UPDATES * phase.batch}, "
            f"{MOST_UPDATES:,} updates of {phase.batch}; shorten the phase or raise its batch"
        )
    if not 0 <= phase.warmup_samples < phase.samples:
        raise RecipeError(
            f"recipe: {where}.warmup_samples got {phase.warmup_samples}, "
            f"expected 0 or more and less than the phase's {phase.samples}"
        )
    _one_of(f"{where}.optimiser", phase.optimiser, OPTIMISERS)
    _share(f"{where}.momentum", phase.momentum)
    _share(f"{where}.label_smoothing", phase.label_smoothing)
    _between(f"{where}.freeze_norm_from", phase.freeze_norm_from, 0, 1)
    _not_negative(f"{where}.cost_weight", phase.cost_weight)
    if phase.optimiser == "nesterov" and phase.momentum == 0:
        raise RecipeError(f"recipe: {where}.momentum got 0, but nesterov needs more; or take optimiser: sgd")
    _check_decay(phase.decay, phase.samples, f"{where}.decay")
    if phase.scaling is not None:
        _one_of(f"{where}.scaling.rule", phase.scaling.rule, RULES)
        _positive(f"{where}.scaling.base_batch", phase.scaling.base_batch)
    if phase.raised is not None:
        _positive(f"{where}.raised.lr_factor", phase.raised.lr_factor)
        _share(f"{where}.raised.momentum", phase.raised.momentum)
    if phase.max_batch is not None and not phase.growth:
        raise RecipeError(f"recipe: {where}.max_batch limits growth; set growth: true or leave it out")
    if phase.max_batch is not None and phase.max_batch < phase.batch:
        raise RecipeError(
            f"recipe: {where}.max_batch got {phase.max_batch}, "
            f"expected the batch {phase.batch} or more; or leave growth out"
        )


def _no_idle_key(phase: Phase, trained_on: str) -> None:
    """Refuse a key that says nothing to this kind of data; defaults pass, since a dumped recipe has them."""
    defaults = {f.name: f.default for f in dataclasses.fields(phase)}
    for key in IDLE[trained_on]:
        if getattr(phase, key) != defaults[key]:
            raise RecipeError(
                f"recipe: phases.{phase.name}.{key} says nothing to data.{trained_on}; leave it out"
            )


def _check_decay(decay: Decay, samples: int, where: str) -> None:
    _one_of(f"{where}.form", decay.form, DECAYS)
    needed, possible = DECAYS[decay.form]
    for key in ("factor", "at_samples", "every_samples", "power", "end"):
        value = getattr(decay, key)
        if value is None and key in needed:
            raise RecipeError(f"recipe: {where} of form {decay.form} lacks the key {key!r}")
        if value is not None and key not in (*needed, *possible):
            raise RecipeError(f"recipe: {where}.{key} says nothing to the form {decay.form}; leave it out")
    if decay.factor is not None and not 0 < decay.factor < 1:
        raise RecipeError(f"recipe: {where}.factor got {decay.factor}, expected more than 0 and less than 1")
    _positive(f"{where}.every_samples", decay.every_samples)
    _positive(f"{where}.power", decay.power)
    _share(f"{where}.end", decay.end)
    steps = decay.at_samples or ()
    if any(b <= a for a, b in zip((0, *steps), (*steps, samples), strict=True)) and steps:
        raise RecipeError(
            f"recipe: {where}.at_samples got {list(steps)}, expected rising numbers between 0 and {samples}"
        )


def _one_of(where: str, value: str, legal: Any) -> None:
    if value not in legal:
        expected = ", ".join(legal)
        raise RecipeError(f"recipe: {where} got {value!r}, expected one of {expected}{nearest(value, legal)}")


def _positive(where: str, value: float | None) -> None:
    if value is not None and value <= 0:
        raise RecipeError(f"recipe: {where} got {value}, expected more than 0")


def _not_negative(where: str, value: float | None) -> None:
    if value is not None and value < 0:
        raise RecipeError(f"recipe: {where} got {value}, expected 0 or more")


def _between(where: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise RecipeError(f"recipe: {where} got {value}, expected {low} to {high}")


def _share(where: str, value: float | None) -> None:
    if value is not None and not 0 <= value < 1:
        raise RecipeError(f"recipe: {where} got {value}, expected 0 or more and less than 1")
