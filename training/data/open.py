"""Which store a folder holds: classified pictures, shards, or packs that are decoded into the raw store."""

from pathlib import Path

from training.data.image_folder import ImageFolder, open_images
from training.data.layouts.find import data_sets_in, open_data_sets
from training.data.shards import TABLE, ShardStore, open_shards
from training.data.store import FrameStore, open_packs
from training.recipe.schema import Recipe

Pictures = FrameStore | ShardStore | ImageFolder
"""What a recipe may train on."""


def open_data(recipe: Recipe) -> Pictures:
    """Open what the recipe trains on.

    Raises:
        SourceError: it is missing or cannot be read.
    """
    if recipe.data.images is not None:
        return open_images(Path(recipe.data.images))
    assert recipe.data.root is not None
    return open_store(Path(recipe.data.root))


def open_store(root: Path, cache: Path | None = None) -> FrameStore | ShardStore:
    """Open the shards in `root`, if it holds some; else the raw store of the packs or data sets under it.

    That one is built on first use (the packs: about a minute, 5 GB).

    Raises:
        SourceError: a shard, a pack or a data set is missing or cannot be read.
    """
    if (root / TABLE).is_file():
        return open_shards(root)
    data_sets = data_sets_in(root)
    return open_data_sets(data_sets, cache) if data_sets else open_packs(root, cache)
