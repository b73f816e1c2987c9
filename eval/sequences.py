"""Annotated sequences: a video, and the box of its target in every frame."""

import csv
import difflib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tracker.errors import SourceError
from tracker.frames import PictureFolder

Boxes = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sequence:
    """One target through one video.

    `boxes` is N×4, xywh in pixels of the video's frames; a row of NaN means
    that the target is not visible. `entry` is the pack's own description.
    """

    name: str
    dataset: str
    video: Path
    boxes: Boxes
    same_frames_as: str | None
    source_video: str
    entry: dict[str, Any]

    @property
    def visible(self) -> npt.NDArray[np.bool_]:
        """N booleans: the row holds a box of positive area."""
        with np.errstate(invalid="ignore"):
            return np.isfinite(self.boxes).all(1) & (self.boxes[:, 2:] > 0).all(1)

    def head(self, frames: int) -> "Sequence":
        """The same target in the first `frames` frames only."""
        return replace(self, boxes=self.boxes[:frames])


def read_boxes(path: Path) -> Boxes:
    """Rows `x,y,w,h` to N×4; empty or `nan` cells become NaN.

    Raises:
        SourceError: the file is missing, or a row has fewer than four numbers.
    """
    try:
        rows = [row for row in csv.reader(path.read_text().splitlines()) if row]
        boxes = [[float(cell) if cell.strip() else math.nan for cell in row[:4]] for row in rows]
        if any(len(box) < 4 for box in boxes):
            raise ValueError("a row with fewer than four numbers")
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read the boxes of {path}: {error}; expected rows x,y,w,h") from error
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def read_pack(folder: Path) -> list[Sequence]:
    """The sequences of a folder with index.json, one per annotated target.

    Raises:
        SourceError: no index.json, or it names a file that cannot be read.
    """
    index = Path(folder) / "index.json"
    try:
        entries = json.loads(index.read_text())
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {index}: {error}; expected a folder with index.json") from error
    sequences = []
    for entry in entries:
        base = f"{entry['dataset']}/{entry['name']}"
        for i, table in enumerate(entry["csv"]):
            sequences.append(
                Sequence(
                    name=base if len(entry["csv"]) == 1 else f"{base}#{i}",
                    dataset=entry["dataset"],
                    video=Path(folder) / entry["path"],
                    boxes=read_boxes(Path(folder) / table),
                    same_frames_as=entry.get("same_frames_as"),
                    source_video=entry["source_video"],
                    entry={**entry, "table": table},
                )
            )
    return sequences


def read_sequences(folder: Path) -> list[Sequence]:
    """Sequences of a pack (index.json), of GOT-10k's layout (list.txt), or of NAME/ folders.

    A NAME folder holds NAME.mp4 or pictures (also under img/ or color/), and
    groundtruth.txt or groundtruth_rect.txt.

    Raises:
        SourceError: none of these, or an annotation that cannot be read.
    """
    folder = Path(folder)
    if (folder / "index.json").is_file():
        return read_pack(folder)
    if (folder / "val" / "list.txt").is_file():
        return read_sequences(folder / "val")
    listed = folder / "list.txt"
    names = listed.read_text().split() if listed.is_file() else sorted(p.parent.name for p in _truths(folder))
    if not names:
        raise SourceError(
            f"eval: {folder} has neither index.json, nor list.txt, nor NAME/groundtruth.txt folders"
        )
    return [_from_folder(folder / name) for name in names]


def _truths(folder: Path) -> list[Path]:
    return [*folder.glob("*/groundtruth.txt"), *folder.glob("*/groundtruth_rect.txt")]


def _from_folder(folder: Path) -> Sequence:
    truth = next((t for t in _truths(folder.parent) if t.parent == folder), None)
    if truth is None:
        raise SourceError(f"eval: {folder} has no groundtruth.txt")
    clip = folder / f"{folder.name}.mp4"
    places = [clip, folder / "img", folder / "color", folder]
    video = next(p for p in places if p.exists())
    boxes = read_boxes(truth)
    absent = folder / "absence.label"
    if absent.is_file():
        boxes[np.loadtxt(absent).astype(bool)] = np.nan
    return Sequence(folder.name, folder.parent.name, video, boxes, None, folder.name, {})


def chosen(sequences: list[Sequence], names: str | None, dataset: str) -> list[Sequence]:
    """Those named (`A,B`), else those of the data sets whose name starts with `dataset`, else all.

    Raises:
        SourceError: a name that is not there; the nearest is suggested.
    """
    if names is None:
        return [s for s in sequences if s.dataset.startswith(dataset)] or sequences
    by_name = {s.name: s for s in sequences}
    for name in names.split(","):
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, 1, cutoff=0.3)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SourceError(f"sequences: got {name!r}, which is not among the {len(by_name)} there{hint}")
    return [by_name[name] for name in names.split(",")]


def read_frames(video: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """Decode a video, or read a folder of pictures, in order, BGR uint8 H×W×3.

    Raises:
        SourceError: it cannot be opened.
    """
    if video.is_dir():
        yield from PictureFolder(video)
        return
    capture = cv2.VideoCapture(str(video))
    try:
        if not capture.isOpened():
            raise SourceError(f"cannot open the video {video}; is the file there and complete?")
        while True:
            ok, frame = capture.read()
            if not ok:
                return
            yield np.asarray(frame, np.uint8)
    finally:
        capture.release()
