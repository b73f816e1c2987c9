"""What one epoch is: N, the number of distinct things to learn from."""

from dataclasses import replace

import numpy as np

from training.frame_store import ANNOTATED, STILL, FrameStore
from training.image_folder import ImageFolder
from training.recipe import Recipe
from training.shards import ShardStore

Pictures = FrameStore | ShardStore | ImageFolder
"""What a recipe may train on."""


def distinct_samples(data: Pictures) -> int:
    """Distinct annotated frames + distinct masked instances that a store can show; pictures of a folder."""
    if isinstance(data, ImageFolder):
        return len(data.train)
    picture = data.picture if isinstance(data, ShardStore) else data.offset
    return len(np.unique(picture[data.kind == ANNOTATED])) + int((data.kind == STILL).sum())


def with_epoch(recipe: Recipe, data: Pictures) -> Recipe:
    """`recipe` with `data.epoch_samples` stated; what it says itself stands."""
    if recipe.data.epoch_samples is not None:
        return recipe
    return replace(recipe, data=replace(recipe.data, epoch_samples=distinct_samples(data)))
