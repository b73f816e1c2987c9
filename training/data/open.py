"""Which store a folder holds: classified pictures, shards, or packs that are decoded into the raw store."""

from pathlib import Path

from training.data.image_folder import ImageFolder, open_images
from training.data.shards import TABLE, ShardStore, open_shards
from training.data.store import FrameStore, open_packs
from training.recipe.schema import Recipe

Pictures = FrameStore | ShardStore | ImageFolder
"""What a recipe may train on."""


def open_data(recipe: Recipe) -> Pictures:
    """What the recipe trains on.

    Raises:
        SourceError: it is missing or cannot be read.
    """
    if recipe.data.images is not None:
        return open_images(Path(recipe.data.images))
    assert recipe.data.root is not None
    return open_store(Path(recipe.data.root))


def open_store(root: Path, cache: Path | None = None) -> FrameStore | ShardStore:
    """The shards in `root`, if it holds some; else the raw store of the packs under it.

    That one is built on first use (about a minute, 5 GB).

    Raises:
        SourceError: a shard or a pack is missing or cannot be read.
    """
    return open_shards(root) if (root / TABLE).is_file() else open_packs(root, cache)
