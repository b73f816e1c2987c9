"""LaSOT: ROOT/CLASS/CLASS-N/img/00000001.jpg …, groundtruth.txt, full_occlusion.txt, out_of_view.txt.

Which sequences are for training says training_set.txt, or what testing_set.txt
leaves over; one of them must be in ROOT. Source: Fan et al. 2019, arXiv 1809.07845.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eval.data.sequences import read_boxes
from tracker.arrays import Floats
from tracker.errors import SourceError
from training.data.layouts.clips import Clip, Target, clip_rows, pictures_in
from training.data.store import ANNOTATED, Row

FLAGS = ("full_occlusion.txt", "out_of_view.txt")


def index(root: Path) -> list[Path]:
    """Find the annotations; return none where `root` is something else."""
    return sorted(path for path in root.glob("*/*/groundtruth.txt") if (path.parent / FLAGS[0]).is_file())


def rows(root: Path) -> Iterator[Row]:
    """Yield the items of the training split.

    Raises:
        SourceError: it is not said which sequences are for training.
    """
    for folder in training_folders(root):
        target = Target(f"lasot:{folder.name}", visible_boxes(folder), f"lasot:{folder.parent.name}")
        yield from clip_rows(Clip(pictures_in(folder / "img"), [target], ANNOTATED))


def training_folders(root: Path) -> list[Path]:
    """List the sequences that training_set.txt names, or that testing_set.txt does not."""
    folders = [path.parent for path in index(root)]
    for name, wanted in (("training_set.txt", True), ("testing_set.txt", False)):
        if (root / name).is_file():
            named = set((root / name).read_text().split())
            return [folder for folder in folders if (folder.name in named) is wanted]
    raise SourceError(
        f"LaSOT: {root} has neither training_set.txt nor testing_set.txt; "
        "put one there (LaSOT's evaluation toolkit has it), so that the test sequences are left out"
    )


def visible_boxes(folder: Path) -> Floats:
    """N×4; NaN where the target is fully occluded or out of view.

    Raises:
        SourceError: flags and boxes differ in number.
    """
    boxes = read_boxes(folder / "groundtruth.txt")
    for name in FLAGS:
        flags = (folder / name).read_text().replace(",", " ").split()
        if len(flags) != len(boxes):
            raise SourceError(
                f"{folder / name}: {len(flags)} flags for {len(boxes)} boxes, expected a 0 or 1 a frame"
            )
        boxes[np.array(flags) == "1"] = np.nan
    return boxes
