"""ImageNet VID: ROOT/Annotations/VID/train/PART/CLIP/000000.xml, ROOT/Data/VID/train/PART/CLIP/000000.JPEG.

ROOT is ILSVRC2015, ILSVRC2017 or the folder that holds it. A file names every
object of its frame by `trackid`; a frame without an object has a file without one.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from tracker.arrays import Floats
from tracker.errors import SourceError
from training.data.layouts.clips import Clip, Target, clip_rows, pictures_in
from training.data.store import ANNOTATED, Row

ANNOTATIONS, PICTURES = "Annotations/VID/train", "Data/VID/train"


def index(root: Path) -> list[Path]:
    """Find the folders of the clips' annotations; return none where `root` is something else."""
    found = [
        path for base in (root, *sorted(root.glob("ILSVRC*"))) for path in base.glob(f"{ANNOTATIONS}/*/*")
    ]
    return sorted(path for path in found if path.is_dir())


def rows(root: Path) -> Iterator[Row]:
    """Yield the items of the training split.

    Raises:
        SourceError: an annotation is no XML of this kind.
    """
    for folder in index(root):
        base = folder.parents[4]
        pictures = pictures_in(base / PICTURES / folder.parent.name / folder.name)
        yield from clip_rows(Clip(pictures, targets_in(folder), ANNOTATED))


def targets_in(folder: Path) -> list[Target]:
    """Every track of a clip, over all its frames."""
    files = sorted(folder.glob("*.xml"))
    boxes: dict[str, Floats] = {}
    labels: dict[str, str] = {}
    for i, file in enumerate(files):
        for track, label, box in objects_in(file):
            boxes.setdefault(track, np.full((len(files), 4), np.nan))[i] = box
            labels[track] = label
    return [
        Target(f"vid:{folder.parent.name}/{folder.name}#{track}", rows, f"vid:{labels[track]}")
        for track, rows in boxes.items()
    ]


def objects_in(file: Path) -> list[tuple[str, str, tuple[float, float, float, float]]]:
    """(track, WordNet label, xywh) of every object of a frame."""
    try:
        return [_object(node) for node in ElementTree.parse(file).iter("object")]
    except (ElementTree.ParseError, TypeError, ValueError) as error:
        raise SourceError(f"{file}: {error}; expected an annotation of ImageNet VID") from error


def _object(node: ElementTree.Element) -> tuple[str, str, tuple[float, float, float, float]]:
    x0, y0, x1, y1 = (
        float(str(node.findtext(f"bndbox/{edge}"))) for edge in ("xmin", "ymin", "xmax", "ymax")
    )
    return str(node.findtext("trackid")), str(node.findtext("name")), (x0, y0, x1 - x0, y1 - y0)
