"""Read TrackingNet's training chunks: ROOT/TRAIN_K/anno/VIDEO_N.txt, frames/VIDEO_N/0.jpg, 1.jpg and on.

One box in 25 or 30 is by hand, a tracker filled in between (Müller et al.
2018, section 3.1), so they count as reliable and not as annotated. A chunk
whose frames are still zipped is left out.
"""

from collections.abc import Iterator
from pathlib import Path

from eval.data.sequences import read_boxes
from training.data.layouts.clips import Clip, Target, clip_rows, pictures_in
from training.data.store import RELIABLE, Row


def index(root: Path) -> list[Path]:
    """Find the annotations whose frames are there; return none where `root` is something else."""
    found = [path for pattern in ("TRAIN_*", "Train_*") for path in root.glob(f"{pattern}/anno/*.txt")]
    return sorted(path for path in set(found) if frames_of(path).is_dir())


def rows(root: Path) -> Iterator[Row]:
    """Frames of every video whose frames are unzipped."""
    for path in index(root):
        video = path.stem.rsplit("_", 1)[0]
        target = Target(f"trackingnet:{path.stem}", read_boxes(path), f"trackingnet:{video}")
        yield from clip_rows(Clip(pictures_in(frames_of(path)), [target], RELIABLE))


def frames_of(annotation: Path) -> Path:
    """Return the folder of the pictures that an annotation belongs to."""
    return annotation.parents[1] / "frames" / annotation.stem
