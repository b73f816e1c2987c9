"""A run is one YAML file: read, checked, and turned into frozen dataclasses.

Unknown keys, wrong types and impossible values are refused with the key, the
value and the nearest legal name. `key=value` overrides use dotted keys; a
phase is addressed by its name: `phases.exits.samples=1000`. Lengths may be
said in epochs (`epochs`, `warmup_epochs`, `at_epochs`, `every_epochs`) where
`data.epoch_samples` is stated; they are samples from then on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from training import yaml_tree
from training.yaml_tree import RecipeError, nearest

__all__ = [
    "Data",
    "Decay",
    "Distributed",
    "Phase",
    "Raised",
    "Recipe",
    "RecipeError",
    "Scaling",
    "Teacher",
    "dump",
    "load",
    "norm_group",
]

PHASES = ("features", "exits", "gates")
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


@dataclass(frozen=True)
class Data:
    """Where the pictures are, and what is called an epoch.

    Attributes:
        root: folder of the packs (`video/`, `images/`), relative to the working directory.
        epoch_samples: N; default: distinct annotated frames + distinct masked instances of the packs.
    """

    root: str
    epoch_samples: int | None = None


@dataclass(frozen=True)
class Teacher:
    """Whose features and responses are distilled, and its two ONNX files."""

    name: str
    backbone: str
    head: str


@dataclass(frozen=True)
class Decay:
    """How the rate falls from its peak; training/schedule.py has the formulas.

    Attributes:
        form: a key of DECAYS.
        factor: the rate is multiplied by it (step, exponential), in (0, 1).
        at_samples: where the rate steps, from the phase's start, rising (step).
        every_samples: one factor each (exponential).
        power: of the rest of the phase (polynomial).
        end: share of the peak that is left at the end, in [0, 1) (polynomial, cosine).
    """

    form: str = "cosine"
    factor: float | None = None
    at_samples: tuple[int, ...] | None = None
    every_samples: int | None = None
    power: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Scaling:
    """How `lr` and `warmup_samples`, tuned at `base_batch`, become those of `batch`; rule: one of RULES."""

    rule: str
    base_batch: int


@dataclass(frozen=True)
class Raised:
    """A start at the same noise scale in fewer updates (Smith et al. 2018, section 5.2).

    Attributes:
        lr_factor: initial rate and batch are multiplied by it.
        momentum: replaces the phase's; the batch grows by (1 − old)/(1 − new).
    """

    lr_factor: float = 1.0
    momentum: float | None = None


@dataclass(frozen=True)
class Phase:
    """One stretch of training with a clock of its own, from 0 to `samples`.

    Attributes:
        name: features (distil the teacher's features), exits (track at every exit), gates.
        batch: samples an update, over all processes; lr: peak rate.
        warmup_samples: linear rise, then `decay`.
        freeze_norm_from: share of the phase after which the backbone's batch norms use their running moments.
        cost_weight: λ of the joint loss (gates only).
        scaling: null: `lr` and `warmup_samples` are meant for `batch`.
        growth: where `decay` would lower the rate, raise the batch instead.
        max_batch: ceiling of growth; null: a tenth of `data.epoch_samples`.
        micro_batch: most samples that a process holds at once; null: its whole share of the batch.
        momentum: of sgd, nesterov, lars; β₁ of adam, adamw and lamb.
    """

    name: str
    samples: int
    batch: int
    lr: float
    warmup_samples: int = 0
    freeze_norm_from: float = 0.0
    cost_weight: float = 0.1
    decay: Decay = Decay()
    scaling: Scaling | None = None
    growth: bool = False
    max_batch: int | None = None
    raised: Raised | None = None
    micro_batch: int | None = None
    optimiser: str = "adamw"
    momentum: float = 0.9


@dataclass(frozen=True)
class Distributed:
    """How several processes work together; one process has nothing to share and heeds none of it.

    Attributes:
        norm_group: consecutive processes that share a batch norm's moments; it divides their number.
        all_reduce: the way that gradients take: ring, or torus (training/torus_all_reduce.py).
        gradients: on the wire: full (their own dtype), bf16 or fp16.
    """

    norm_group: int = 1
    all_reduce: str = "ring"
    gradients: str = "full"


@dataclass(frozen=True)
class Recipe:
    """A whole run.

    Attributes:
        teacher: null: the deepest exit teaches the others alone.
        threads: of each process.
    """

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
    tensorboard: bool = False
    distributed: Distributed = Distributed()


def load(path: Path, overrides: list[str] | None = None) -> Recipe:
    """Read and check a recipe.

    Raises:
        RecipeError: the file cannot be read, or a key or value is not legal.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise RecipeError(f"recipe {path}: {str(error).splitlines()[0]}; expected a YAML file") from error
    for text in overrides or []:
        yaml_tree.override(tree, text)
    data = tree.get("data") if isinstance(tree, dict) else None
    tree = yaml_tree.epochs_to_samples(tree, data.get("epoch_samples") if isinstance(data, dict) else None)
    recipe: Recipe = yaml_tree.build(Recipe, tree, "")
    _check(recipe)
    return recipe


def dump(recipe: Recipe) -> str:
    """The resolved recipe as YAML, every value written out."""
    return yaml.safe_dump(yaml_tree.plain(recipe), sort_keys=False, width=110)


def norm_group(recipe: Recipe, processes: int) -> int:
    """Processes that share a batch norm's moments; 1 where there is only one.

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


def _check(recipe: Recipe) -> None:
    _one_of("precision", recipe.precision, PRECISIONS)
    _positive("data.epoch_samples", recipe.data.epoch_samples)
    _positive("checkpoint_samples", recipe.checkpoint_samples)
    _positive("distributed.norm_group", recipe.distributed.norm_group)
    _one_of("distributed.all_reduce", recipe.distributed.all_reduce, ALL_REDUCES)
    _one_of("distributed.gradients", recipe.distributed.gradients, GRADIENTS)
    if not recipe.phases:
        raise RecipeError("recipe: phases is empty, expected at least one of " + ", ".join(PHASES))
    names = [phase.name for phase in recipe.phases]
    for phase in recipe.phases:
        _one_of("phase", phase.name, PHASES)
        if names.count(phase.name) > 1:
            raise RecipeError(f"recipe: the phase {phase.name!r} stands twice")
        _check_phase(phase, f"phases.{phase.name}")
        if phase.name == "features" and recipe.teacher is None:
            raise RecipeError("recipe: the phase 'features' needs a teacher; leave it out or name one")


def _check_phase(phase: Phase, where: str) -> None:
    for key in ("samples", "batch", "lr", "micro_batch", "max_batch"):
        _positive(f"{where}.{key}", getattr(phase, key))
    if not 0 <= phase.warmup_samples < phase.samples:
        raise RecipeError(
            f"recipe: {where}.warmup_samples got {phase.warmup_samples}, "
            f"expected 0 or more and less than the phase's {phase.samples}"
        )
    _one_of(f"{where}.optimiser", phase.optimiser, OPTIMISERS)
    _share(f"{where}.momentum", phase.momentum)
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


def _share(where: str, value: float | None) -> None:
    if value is not None and not 0 <= value < 1:
        raise RecipeError(f"recipe: {where} got {value}, expected 0 or more and less than 1")
