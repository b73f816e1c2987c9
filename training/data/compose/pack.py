"""A pack of composed sequences, in the layout of `video/`, and a sheet to look at.

    python -m training.data.compose --root ../shared/data --sequences 60 --frames 150 --seed 1

Made of pictures that no training stream sees (split `val`), to calibrate and
to measure long runs in closed loop: full occlusions, exits, look-alikes.
"""

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.progress import track as progress

from eval.results.store import file_for, folder_for
from tracker.arrays import Floats, Image
from tracker.saved_video import VideoWriter
from training.data.compose.library import Library
from training.data.compose.sequence import ComposedSequence

DATASET, FPS = "Composed", 25
SHEET_ROWS, SHEET_COLUMNS, TILE = 16, 8, (240, 180)
ANNOTATION = "exact: hull of the whole mask, clipped to the frame; NaN where less than a tenth is visible"


def default_pack() -> Path:
    """Return where a pack goes unless told: $XDG_STATE_HOME/depthgate/composed, else under ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME", str(Path.home() / ".local/state"))
    return Path(state) / "depthgate" / "composed"


def compose(library: Library, seed: int, sequences: int, frames: int) -> list[ComposedSequence]:
    """Compose sequences 0 … `sequences` − 1 of a seed."""
    return [ComposedSequence(library, seed, index, frames) for index in range(sequences)]


def write_pack(sequences: list[ComposedSequence], folder: Path) -> None:
    """Write videos, boxes and visible shares; `index.json` comes last: a pack that has one is whole.

    Raises:
        SourceError, OutputError: the folder or a file cannot be written.
    """
    folder_for(folder / DATASET)
    index = folder / "index.json"
    index.unlink(missing_ok=True)
    entries = [_written(s, folder) for s in progress(sequences, "composing", transient=True)]
    part = index.with_suffix(".part")
    part.write_text(json.dumps(entries, indent=1) + "\n")
    part.replace(index)


def _written(sequence: ComposedSequence, folder: Path) -> dict[str, Any]:
    """Write the files of a sequence and return its index entry."""
    name = f"{sequence.seed}-{sequence.index:03}-{_plain(sequence.label)}"
    video, boxes, visible = (f"{DATASET}/{name}{end}" for end in (".mp4", ".csv", ".visible.csv"))
    with VideoWriter(folder / video, FPS) as out:
        for t, frame in enumerate(sequence):
            out.write(frame, t / FPS)
    (folder / boxes).write_text("".join(_row(box) for box in sequence.boxes))
    (folder / visible).write_text("".join(f"{share:.3f}\n" for share in sequence.visible))
    target, ground = sequence.source
    return {
        "name": name,
        "dataset": DATASET,
        "path": video,
        "csv": [boxes],
        "visible": [visible],
        "frames": len(sequence),
        "width": sequence.size[0],
        "height": sequence.size[1],
        "objects": 1,
        "source_video": f"{DATASET}/{target}",
        "background": ground,
        "original_frame_step": 1,
        "has_absent": bool(sequence.absent.any()),
        "same_frames_as": None,
        "vot_groundtruth": None,
        "annotation_kind": ANNOTATION,
        "seed": sequence.seed,
        "index": sequence.index,
        "library": sequence.library.digest,
    }


def write_sheet(sequences: list[ComposedSequence], path: Path) -> None:
    """Draw a sheet: a row per sequence, eight of its frames with the box and the visible share."""
    spread = np.linspace(0, len(sequences) - 1, min(SHEET_ROWS, len(sequences))).astype(int)
    rows = [np.hstack([_tile(sequences[i], t) for t in _spread_times(sequences[i])]) for i in spread]
    cv2.imwrite(str(file_for(path)), np.vstack(rows))


def _spread_times(sequence: ComposedSequence) -> list[int]:
    return [round(t) for t in np.linspace(0, len(sequence) - 1, SHEET_COLUMNS)]


def _tile(sequence: ComposedSequence, t: int) -> Image:
    frame = sequence.frame(t)
    if not sequence.absent[t]:
        x, y, w, h = sequence.boxes[t]
        cv2.rectangle(frame, (round(x), round(y)), (round(x + w), round(y + h)), (0, 255, 0), 1)
    text = f"{sequence.index}:{t} {sequence.visible[t]:.0%} {sequence.label}"
    cv2.putText(frame, text, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 255, 255), 1, cv2.LINE_AA)
    return np.asarray(cv2.resize(frame, TILE, interpolation=cv2.INTER_AREA), np.uint8)


def _row(box: Floats) -> str:
    return ",".join("nan" if np.isnan(v) else f"{v:.2f}" for v in box) + "\n"


def _plain(label: str) -> str:
    """Return the name in letters, digits and underscores."""
    return "".join(c if c.isalnum() else "_" for c in label)
