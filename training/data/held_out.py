"""Pictures of the packs that training never sees, to validate a tracker on.

A FrameStore in the user's cache, as training/data/store.py makes one, but
small (about 100 MB): a few frames of every video of `video/val` and every
fourth photograph of the split `val`. The stream over it is the training's own
with a fixed seed, so all runs meet the same pairs.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from eval.data.sequences import read_pack
from tracker.cache import user_cache
from training.data.pairs import PairStream
from training.data.store import (
    ANNOTATED,
    BACKGROUND,
    LAYOUT,
    STILL,
    FrameStore,
    Row,
    open_frames,
    photo_rows,
    video_rows,
    write_frames,
)

PAIRS = 256
FRAMES_PER_TRACK, PHOTOGRAPHS = 8, 4  # of a video; one of four
SHARES = {ANNOTATED: 0.6, STILL: 0.4}


def held_out_pairs(root: Path, cache: Path | None = None) -> PairStream | None:
    """Open a stream of which samples 0 … PAIRS − 1 are meant; None where the data have no such split.

    Raises:
        SourceError: a video or photograph cannot be read.
    """
    indices = [
        root / "video/val/index.json",
        root / "images/masked/images.jsonl.gz",
        root / "images/plain/images.jsonl.gz",
    ]
    if not all(path.is_file() for path in indices):
        return None
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in indices)).hexdigest()[:16]
    folder = (cache or user_cache()) / f"held-out-{LAYOUT}-{digest}"
    if not (folder / "items.npz").is_file():
        write_frames(_rows(root), folder)
    store = open_frames(folder, digest)
    return PairStream(store, 0, "held out", SHARES) if _serves(store) else None


def _rows(root: Path) -> Iterator[Row]:
    yield from video_rows(read_pack(root / "video/val"), root / "video/weak", FRAMES_PER_TRACK)
    for name, with_boxes in (("masked", True), ("plain", False)):
        yield from photo_rows(root / "images" / name, with_boxes, "val", PHOTOGRAPHS)


def _serves(store: FrameStore) -> bool:
    """Whether there is an item of every kind that a sample may be made of."""
    return {ANNOTATED, STILL, BACKGROUND} <= set(store.kind.tolist())
