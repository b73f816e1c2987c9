"""Which layouts lie under a folder, and all their rows.

    python -m training.data.write_shards --data /data/got10k --out shards

A folder is one data set, or holds some, each in a folder of its own.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tracker.cache import user_cache
from training.data.layouts import coco, got10k, imagenet_vid, lasot, trackingnet
from training.data.store import LAYOUT, FrameStore, Row, open_frames, pack_rows, packs_digest, write_frames


@dataclass(frozen=True)
class Layout:
    """How one data set is laid out.

    Attributes:
        name: as its owners write it.
        index: from a folder to the files that say what is in it; none: it is something else.
        rows: every item of the folder's training part.
    """

    name: str
    index: Callable[[Path], list[Path]]
    rows: Callable[[Path], Iterator[Row]]


LAYOUTS = tuple(
    Layout(name, room.index, room.rows)
    for name, room in (
        ("GOT-10k", got10k),
        ("LaSOT", lasot),
        ("TrackingNet", trackingnet),
        ("ImageNet VID", imagenet_vid),
        ("COCO", coco),
    )
)


def data_sets_in(root: Path) -> list[tuple[Layout, Path]]:
    """Find the data set that `root` is, or those that its folders are, by name; none beside the packs."""
    if (root / "video/train/index.json").is_file():
        return []
    for folders in ([root], sorted(path for path in root.glob("*") if path.is_dir())):
        found = [(layout, folder) for folder in folders for layout in LAYOUTS if layout.index(folder)]
        if found:
            return found
    return []


def data_set_rows(found: list[tuple[Layout, Path]]) -> Iterator[Row]:
    """All items, one data set after the other."""
    for layout, folder in found:
        yield from layout.rows(folder)


def training_rows(root: Path) -> tuple[Iterator[Row], str]:
    """All items under a folder, and their digest: the project's packs, or data sets in published layouts.

    Raises:
        SourceError: there is neither.
    """
    if found := data_sets_in(root):
        return data_set_rows(found), data_sets_digest(found)
    return pack_rows(root), packs_digest(root)


def open_data_sets(found: list[tuple[Layout, Path]], cache: Path | None = None) -> FrameStore:
    """Their raw store, built in the user's cache on first use: for what fits decoded on a disk.

    Raises:
        SourceError: a picture or an annotation cannot be read.
    """
    digest = data_sets_digest(found)
    folder = (cache or user_cache()) / f"frames-{LAYOUT}-{digest}"
    if not (folder / "items.npz").is_file():
        write_frames(data_set_rows(found), folder)
    return open_frames(folder, digest)


def data_sets_digest(found: list[tuple[Layout, Path]]) -> str:
    """16 hexadecimal digits of the names and sizes of the files that say what is there."""
    seen = hashlib.sha256()
    for layout, folder in found:
        for path in layout.index(folder):
            size = path.stat().st_size if path.is_file() else len(list(path.iterdir()))
            seen.update(f"{layout.name} {path.relative_to(folder)} {size}\n".encode())
    return seen.hexdigest()[:16]
