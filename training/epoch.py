"""What one epoch is: N, the number of distinct things to learn from."""

from dataclasses import replace

import numpy as np

from training.frame_store import ANNOTATED, STILL, FrameStore
from training.recipe import Recipe


def distinct_samples(store: FrameStore) -> int:
    """Distinct annotated frames + distinct masked instances that the store can show."""
    frames = np.unique(store.offset[store.kind == ANNOTATED])
    return len(frames) + int((store.kind == STILL).sum())


def with_epoch(recipe: Recipe, store: FrameStore) -> Recipe:
    """`recipe` with `data.epoch_samples` stated; what it says itself stands."""
    if recipe.data.epoch_samples is not None:
        return recipe
    return replace(recipe, data=replace(recipe.data, epoch_samples=distinct_samples(store)))
