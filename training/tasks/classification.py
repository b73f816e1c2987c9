"""Training a classifier on an image folder: the phase `classify` of a recipe with `data.images`.

Loss: cross entropy with label smoothing (Szegedy et al. 2016, arXiv
1512.00567, section 7): a share of the target is spread evenly over all
classes. Channels are normalised by ImageNet's moments, in the network's input.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.registry import build_classifier
from training.data.image_folder import ImageFolder
from training.data.image_stream import CentreStream, ImageBatch, ImageStream
from training.data.transfer import copied, device_of
from training.recipe.errors import RecipeError
from training.recipe.schema import Phase, Recipe
from training.tasks.loss_terms import LossTerms

MEAN_BGR, SPREAD_BGR = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)


@dataclass(frozen=True)
class ClassificationTask:
    """A Task of training/tasks/task.py."""

    recipe: Recipe
    data: ImageFolder

    def network(self) -> nn.Module:
        """Build the classifier that the recipe names.

        Raises:
            RecipeError: no classifier has that name.
        """
        try:
            return build_classifier(self.recipe.network, len(self.data.classes))
        except ValueError as error:
            raise RecipeError(f"recipe: {error}") from error

    def trained(self, network: nn.Module, phase: Phase) -> nn.Module:
        return network

    def leaves_some_out(self, phase: Phase) -> bool:
        return False

    def set_modes(self, network: nn.Module, phase: Phase, seen: int, average: nn.Module) -> None:
        network.train()

    def stream(self, phase: Phase) -> ImageStream:
        return ImageStream(self.data.train, self.recipe.data.side, self.recipe.seed, phase.name)

    def loss(self, network: nn.Module, phase: Phase) -> Callable[[ImageBatch], LossTerms]:
        return lambda batch: classify_loss(network, batch, phase.label_smoothing)

    def held_out(self) -> tuple[CentreStream, int] | None:
        val = self.data.val
        return None if val is None else (CentreStream(val, self.recipe.data.side), len(val))


def classify_loss(network: nn.Module, batch: ImageBatch, label_smoothing: float) -> LossTerms:
    """Cross entropy, and as a part of the log whether the highest logit is the picture's class."""
    images, labels = (copied(array, device_of(network)) for array in (batch.images, batch.labels))
    logits = network(normalised(images)).float()
    loss = F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)
    return LossTerms([(1.0, loss)], {"top1": [(logits.argmax(1) == labels).float()]})


def normalised(images: Tensor) -> Tensor:
    """uint8 N×s×s×3 BGR to float N×3×s×s (channels last) of about mean 0 and deviation 1."""
    mean, spread = images.new_tensor([MEAN_BGR, SPREAD_BGR], dtype=torch.float32)
    scaled: Tensor = (images.float() - mean) / spread
    return scaled.permute(0, 3, 1, 2)
