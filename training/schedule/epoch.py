"""What one epoch is: N, the number of distinct things to learn from."""

from dataclasses import replace

import numpy as np

from training.data.image_folder import ImageFolder
from training.data.open import Pictures
from training.data.shards import ShardStore
from training.data.store import ANNOTATED, STILL
from training.recipe.schema import Recipe


def distinct_samples(data: Pictures) -> int:
    """Count distinct annotated frames + distinct masked instances of a store; pictures of a folder."""
    if isinstance(data, ImageFolder):
        return len(data.train)
    picture = data.picture if isinstance(data, ShardStore) else data.offset
    return len(np.unique(picture[data.kind == ANNOTATED])) + int((data.kind == STILL).sum())


def with_epoch(recipe: Recipe, data: Pictures) -> Recipe:
    """Return `recipe` with `data.epoch_samples` stated; its own value stands."""
    if recipe.data.epoch_samples is not None:
        return recipe
    return replace(recipe, data=replace(recipe.data, epoch_samples=distinct_samples(data)))
