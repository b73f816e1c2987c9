"""COCO: ROOT/annotations/instances_train2017.json (or 2014), pictures in ROOT/train2017/.

Boxes are xywh in pixels. Crowds are left out, as are boxes under 12 pixels a side.
Source: cocodataset.org, format-data.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracker.errors import SourceError
from training.data.layouts.clips import read_picture
from training.data.store import STILL, Row

MIN_SIDE = 12


def index(root: Path) -> list[Path]:
    """Find the annotations; return none where `root` is something else."""
    return sorted(root.glob("annotations/instances_train*.json"))


def rows(root: Path) -> Iterator[Row]:
    """Yield the items of the training split.

    Raises:
        SourceError: an index or a picture cannot be read.
    """
    for file in index(root):
        try:
            document = json.loads(file.read_text())
            names = {entry["id"]: entry["name"] for entry in document["categories"]}
            pictures = {entry["id"]: entry["file_name"] for entry in document["images"]}
            objects = _by_picture(document["annotations"])
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{file}: {error}; expected COCO's instances, with images and categories"
            ) from error
        folder = root / file.stem.removeprefix("instances_")
        for key, entries in objects.items():
            image, scale = read_picture(folder / pictures[key])
            for entry in entries:
                x, y, w, h = (float(v) * scale for v in entry["bbox"])
                if min(w, h) >= MIN_SIDE:
                    yield Row(
                        image,
                        (x, y, w, h),
                        f"coco:{entry['id']}",
                        STILL,
                        f"coco:{names[entry['category_id']]}",
                    )


def _by_picture(annotations: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Objects of each picture, crowds left out."""
    found: dict[int, list[dict[str, Any]]] = {}
    for entry in annotations:
        if not entry.get("iscrowd"):
            found.setdefault(entry["image_id"], []).append(entry)
    return found
