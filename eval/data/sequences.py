"""Annotated sequences: a video, and the box of its target in every frame."""

import difflib
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from eval.data.regions import hull, read_rows
from tracker.arrays import Bools, Floats, Image
from tracker.boxes import Box
from tracker.errors import SourceError
from tracker.frames import PictureFolder

COLUMNS: dict[int, tuple[int, ...]] = {4: (4,), 8: (4, 2)}  # of a row: a box, or four corners
PICTURES_UNDER = ("img", "color", "frames")


@dataclass(frozen=True)
class Sequence:
    """One target through one video.

    `boxes` is N×4, xywh in pixels of the video's frames; a row of NaN means
    that the target is not visible. `entry` is the pack's own description.
    """

    name: str
    dataset: str
    video: Path
    boxes: Floats
    same_frames_as: str | None
    source_video: str
    entry: dict[str, Any]

    @property
    def visible(self) -> Bools:
        """N booleans: the row holds a box of positive area."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.isfinite(self.boxes).all(1) & (self.boxes[:, 2:] > 0).all(1))

    def head(self, frames: int) -> "Sequence":
        """Return the same target in the first `frames` frames only."""
        return replace(self, boxes=self.boxes[:frames])


def read_boxes(path: Path) -> Floats:
    """Read rows `x,y,w,h` or corners `x1,y1,…,x4,y4` to N×4; empty or `nan` cells become NaN.

    A box around the corners stands for them.

    Raises:
        SourceError: the file is missing, or a row is neither.
    """
    boxes: list[Box] = []
    for i, row in enumerate(read_rows(path), start=1):
        if row is None:
            boxes.append((math.nan, math.nan, math.nan, math.nan))
        elif len(row) in COLUMNS:
            boxes.append(hull(row.reshape(COLUMNS[len(row)])))
        else:
            raise SourceError(
                f"groundtruth: {path}, row {i}: got {len(row)} numbers, expected x,y,w,h or x1,y1,…,x4,y4"
            )
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def read_pack(folder: Path) -> list[Sequence]:
    """Read the sequences of a folder with index.json, one per annotated target.

    Raises:
        SourceError: no index.json, or it names a file that cannot be read.
    """
    index = Path(folder) / "index.json"
    try:
        entries = json.loads(index.read_text())
        sequences = [s for entry in entries for s in _targets(Path(folder), entry)]
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {index}: {error}; expected a folder with index.json") from error
    except (TypeError, KeyError) as error:
        raise SourceError(
            f"{index}: an entry lacks {error} or is of another kind; "
            "expected a list of entries with dataset, name, path, csv, source_video"
        ) from error
    if not sequences:
        raise SourceError(f"{index} lists no sequence")
    names = Counter(s.name for s in sequences)
    if twice := [name for name, count in names.items() if count > 1]:
        raise SourceError(f"{index}: two sequences are called {twice[0]}; give each a name of its own")
    return sequences


def _targets(folder: Path, entry: dict[str, Any]) -> list[Sequence]:
    """Yield a sequence for every annotated target of one video."""
    base, tables = f"{entry['dataset']}/{entry['name']}", entry["csv"]
    return [
        Sequence(
            name=base if len(tables) == 1 else f"{base}#{i}",
            dataset=entry["dataset"],
            video=folder / entry["path"],
            boxes=read_boxes(folder / table),
            same_frames_as=entry.get("same_frames_as"),
            source_video=entry["source_video"],
            entry={**entry, "table": table},
        )
        for i, table in enumerate(tables)
    ]


def read_sequences(folder: Path) -> list[Sequence]:
    """Read the sequences of a pack (index.json), of GOT-10k's layout (list.txt), or of NAME/ folders.

    A NAME folder holds NAME.mp4 or pictures (also under img/, color/ or frames/), and
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
    places = [clip, *(folder / name for name in PICTURES_UNDER), folder]
    video = next(p for p in places if p.exists())
    boxes = read_boxes(truth)
    if (folder / "absence.label").is_file():
        boxes[_absent(folder / "absence.label", len(boxes))] = np.nan
    return Sequence(folder.name, folder.parent.name, video, boxes, None, folder.name, {})


def _absent(path: Path, count: int) -> Bools:
    """Read GOT-10k's absence.label: for every frame, whether the target is absent."""
    words = path.read_text().split()
    if len(words) != count or not set(words) <= {"0", "1"}:
        raise SourceError(
            f"{path}: {len(words)} labels for {count} boxes, expected a 0 or 1 a frame; is one of them cut?"
        )
    return np.array([word == "1" for word in words])


def select_sequences(sequences: list[Sequence], names: str | None, dataset: str) -> list[Sequence]:
    """Select the named sequences (`A,B`), else those of data sets that start with `dataset`, else all.

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


def read_frames(video: Path) -> Iterator[Image]:
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
