"""Training a tracker on the packs: the phases of a recipe with `data.root`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from models.network import DepthGate
from models.registry import build
from training.data.compose.library import Library, open_library
from training.data.compose.mixed import MixedStream
from training.data.compose.pairs import ComposedPairs
from training.data.device_store import DeviceStore
from training.data.device_stream import DeviceStream
from training.data.held_out import PAIRS
from training.data.pairs import PairStream
from training.data.store import PictureStore
from training.recipe.errors import RecipeError
from training.recipe.schema import Phase, Recipe
from training.tasks.loss_terms import LossTerms
from training.tasks.phases import PHASE_LOSSES, AnyBatch, PhaseContext
from training.tasks.teacher import NanoTrackTeacher

TEACHER_FIT_SAMPLES = 128


@dataclass(frozen=True)
class TrackingTask:
    """A Task of training/tasks/task.py; its networks are DepthGate.

    Attributes:
        pairs: held out, None: there are none.
        resident: of `store`, None: the recipe does not want it.
        library: of composed pairs, None: the recipe wants none.
    """

    recipe: Recipe
    store: PictureStore
    pairs: PairStream | None
    teacher: NanoTrackTeacher | None
    resident: DeviceStore | None
    library: Library | None = None

    def network(self) -> DepthGate:
        """Build the tracker's network that the recipe names.

        Raises:
            RecipeError: no tracker has that name.
        """
        try:
            return build(self.recipe.network)
        except ValueError as error:
            raise RecipeError(f"recipe: {error}") from error

    def trained(self, network: nn.Module, phase: Phase) -> nn.Module:
        assert isinstance(network, DepthGate)
        if phase.name == "heads":
            return nn.ModuleList(head for exit_ in network.exits for head in exit_.heads())
        return network.gates if phase.name == "gates" else network

    def leaves_some_out(self, phase: Phase) -> bool:
        """Return the gates always, and heads while features are distilled."""
        return phase.name in ("features", "exits")

    def stream(self, phase: Phase) -> PairStream | MixedStream | DeviceStream:
        pairs = pair_stream(self.recipe, self.store, self.library, phase)
        if self.resident is None:
            return pairs
        assert isinstance(pairs, PairStream)
        return DeviceStream(pairs, self.resident)

    def loss(self, network: nn.Module, phase: Phase) -> Callable[[AnyBatch], LossTerms]:
        assert isinstance(network, DepthGate)
        context, loss = PhaseContext(network, self.teacher, phase), PHASE_LOSSES[phase.name]
        return lambda batch: loss(context, batch)

    def held_out(self) -> tuple[PairStream, int] | None:
        return None if self.pairs is None else (self.pairs, PAIRS)

    def set_modes(self, network: nn.Module, phase: Phase, seen: int, average: nn.Module) -> None:
        """Set training mode for what the phase trains; backbone norms freeze when the recipe says so.

        A template and a search crop differ in their moments, so the averaged
        ones that the tracker will use are what the last part of training sees.
        """
        assert isinstance(network, DepthGate) and isinstance(average, DepthGate)
        if phase.name == "gates":
            network.eval()
            network.gates.train()
            return
        frozen = seen >= phase.freeze_norm_from * phase.samples
        if frozen and network.backbone.training:
            running = {k: v for k, v in average.backbone.state_dict().items() if "running_" in k}
            network.backbone.load_state_dict(running, strict=False)
        network.train()
        network.gates.eval()
        if frozen or phase.name == "heads":
            network.backbone.eval()


def open_composed(recipe: Recipe) -> Library | None:
    """Open what composed pairs are made of; None where the recipe wants none.

    Raises:
        SourceError: the packs are missing or cannot be read.
    """
    assert recipe.data.root is not None
    return open_library(Path(recipe.data.root), "train") if recipe.data.composed else None


def pair_stream(
    recipe: Recipe, store: PictureStore, library: Library | None, phase: Phase
) -> PairStream | MixedStream:
    """Open the samples of a phase: pairs of the store, and of the library by the recipe's share."""
    pairs = PairStream(store, recipe.seed, phase.name)
    if library is None:
        return pairs
    composed, share = ComposedPairs(library, recipe.seed, phase.name), recipe.data.composed
    return MixedStream((pairs, composed), (1 - share, share), recipe.seed, phase.name)


def fitted_teacher(recipe: Recipe, store: PictureStore, device: torch.device) -> NanoTrackTeacher | None:
    """Open the recipe's teacher and fit its features' moments on a few samples; None where it names none.

    Raises:
        ModelError: its files are missing.
    """
    if recipe.teacher is None:
        return None
    files = Path(recipe.teacher.backbone), Path(recipe.teacher.head)
    teacher = NanoTrackTeacher(*files, recipe.threads, device)
    teacher.fit(teacher.features(PairStream(store, recipe.seed, "fit").batch(0, TEACHER_FIT_SAMPLES)))
    return teacher
