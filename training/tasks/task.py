"""What the loop does not know: what is trained, on which pictures, and what counts as a loss.

A recipe with `data.root` trains a tracker (training/tasks/tracking.py), one with
`data.images` a classifier (training/tasks/classification.py); everything else is
the loop's and the same for both.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from training.data.device_store import fill_device
from training.data.feed import Stream
from training.data.held_out import held_out_pairs
from training.data.image_folder import ImageFolder
from training.data.open import Pictures
from training.distributed.world import World, first_on_its_machine, together
from training.recipe.schema import Phase, Recipe
from training.tasks.classification import ClassificationTask
from training.tasks.loss_terms import LossTerms
from training.tasks.tracking import TrackingTask, fitted_teacher, open_composed


class Task(Protocol):
    """Networks are those of `network`, and copies of it."""

    def network(self) -> nn.Module:
        """Build a fresh network."""
        ...

    def trained(self, network: nn.Module, phase: Phase) -> nn.Module:
        """Return the part of the network that the phase trains."""
        ...

    def leaves_some_out(self, phase: Phase) -> bool:
        """Whether some parameters of that part get no gradient from the phase's loss."""
        ...

    def set_modes(self, network: nn.Module, phase: Phase, seen: int, average: nn.Module) -> None:
        """Training or evaluation of every layer, before the update that starts at sample `seen`."""
        ...

    def stream(self, phase: Phase) -> Stream[Any]:
        """Open the samples of a phase."""
        ...

    def loss(self, network: nn.Module, phase: Phase) -> Callable[[Any], LossTerms]:
        """From a batch of the stream to what its samples lose."""
        ...

    def held_out(self) -> tuple[Stream[Any], int] | None:
        """Open the samples to validate on, and say how many; None where the data have none."""
        ...


def make_task(recipe: Recipe, data: Pictures, world: World) -> Task:
    """Make the task of a recipe on data that are open already.

    Raises:
        SourceError, ModelError: pictures or the teacher cannot be read.
        RecipeError: the pictures do not fit on the device, where they shall stay.
    """
    if isinstance(data, ImageFolder):
        return ClassificationTask(recipe, data)
    assert recipe.data.root is not None
    with first_on_its_machine(world):
        pairs, library = held_out_pairs(Path(recipe.data.root)), open_composed(recipe)
    resident = fill_device(data, world.device, quiet=not world.leads) if recipe.data.resident else None
    with together(world):
        teacher = fitted_teacher(recipe, data, world.device)
    return TrackingTask(recipe, data, pairs, teacher, resident, library)
