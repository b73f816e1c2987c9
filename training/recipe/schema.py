"""What a recipe says, as frozen dataclasses: the keys of the YAML file are the names of these fields.

training/recipe/checks.py says which values are legal, training/recipe/load.py reads the file.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Data:
    """Where the pictures are, and what is called an epoch; folders are relative to the working directory.

    Attributes:
        root: folder of the packs (`video/`, `images/`), to train a tracker.
        epoch_samples: N; default: distinct annotated frames + distinct masked instances of the packs,
            or the training pictures of `images`.
        images: in place of `root`: folder of train/CLASS/ and val/CLASS/, to train a classifier.
        side: of the crops of `images`, in pixels.
        composed: share of the samples that are pairs out of composed sequences (training/data/compose), made
            of the packs in `root`.
        resident: of `root`: crops are cut once and stay on the device, which augments them in batches; for a
            GPU that the CPUs would starve.
    """

    root: str | None = None
    epoch_samples: int | None = None
    images: str | None = None
    side: int = 224
    composed: float = 0.0
    resident: bool = False


@dataclass(frozen=True)
class Teacher:
    """Whose features and responses are distilled, and its two ONNX files."""

    name: str
    backbone: str
    head: str


@dataclass(frozen=True)
class Decay:
    """How the rate falls from its peak; training/schedule/plan.py has the formulas.

    Attributes:
        form: a key of checks.DECAYS.
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
    """How `lr` and `warmup_samples`, tuned at `base_batch`, become those of `batch`.

    rule: one of checks.RULES; training/schedule/scaling.py has the formulas.
    """

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
        name: features (distil the teacher's features), heads (its answers, on its features), exits
            (track at every exit), gates; with `data.images` classify.
        batch: samples an update, over all processes; lr: peak rate.
        warmup_samples: linear rise, then `decay`.
        freeze_norm_from: share of the phase after which the backbone's batch norms use their running moments
            (tracking only).
        cost_weight: λ of the joint loss (gates only).
        label_smoothing: share of the target that is spread over all classes (classify only).
        scaling: null: `lr` and `warmup_samples` are meant for `batch`.
        growth: where `decay` would lower the rate, raise the batch instead.
        max_batch: ceiling of growth; null: a tenth of `data.epoch_samples`.
        micro_batch: most samples that a process holds at once; null: its whole share of the batch.
        momentum: of sgd, nesterov, lars; β₁ of adam, adamw and lamb.
        clip: norm that the gradient of all parameters is clipped to; null: it is not.
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
    clip: float | None = 5.0
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class Distributed:
    """How several processes work together; one process has nothing to share and heeds none of it.

    Attributes:
        norm_group: consecutive processes that share a batch norm's moments; it divides their number.
        all_reduce: the way that gradients take: ring, or torus (training/distributed/torus_all_reduce.py).
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
        weight_decay: null: .02 for adamw and lamb, which decay weights apart from the gradient, else 1e-4.
        threads: of each process.
        validate_samples: of a phase between two validations; there is always one at its end.
        start: weights.safetensors of the same network to begin with; null: chance.
    """

    purpose: str
    network: str
    data: Data
    phases: tuple[Phase, ...]
    teacher: Teacher | None = None
    seed: int = 0
    precision: str = "auto"
    weight_decay: float | None = None
    ema_decay: float = 0.998
    threads: int = 2
    checkpoint_samples: int = 9600
    validate_samples: int | None = None
    tensorboard: bool = False
    start: str | None = None
    distributed: Distributed = Distributed()
