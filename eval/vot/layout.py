"""Lay sequences out on disk as VOT expects them, and read what its protocols take of a sequence.

python app.py eval layout vot ../shared/data/video/dev --out VOT
"""

from collections.abc import Sequence as Frames
from pathlib import Path

import numpy as np

from eval.data.layouts import unique_names, write_frames
from eval.data.regions import Region, read_regions, rectangle
from eval.data.sequences import Sequence
from eval.vot.protocols import Annotated, spaced_anchors
from tracker.arrays import Image
from tracker.errors import SourceError

FPS = 30


def write_vot(sequences: list[Sequence], out: Path) -> list[Annotated]:
    """NAME/{sequence, groundtruth.txt, anchor.value, color/00000001.jpg …} and list.txt under `out`."""
    annotated = []
    for name, sequence in zip(unique_names(sequences), sequences, strict=True):
        folder = out / name
        height, width = write_frames(sequence, folder / "color", "{:08d}.jpg")
        about = _annotated(sequence, name, (width, height))
        (folder / "groundtruth.txt").write_text("".join(_row(region) for region in about.truth))
        (folder / "anchor.value").write_text("".join(f"{a}\n" for a in about.anchors))
        (folder / "sequence").write_text(
            f"name={name}\nfps={FPS}\nformat=default\nchannel.default=color\n"
            f"channels.color=color/%08d.jpg\nwidth={width}\nheight={height}\nlength={len(about.truth)}\n"
        )
        annotated.append(about)
    (out / "list.txt").write_text("".join(f"{a.name}\n" for a in annotated))
    return annotated


def annotate(sequence: Sequence, name: str, frames: Frames[Image]) -> Annotated:
    """Return the sequence as VOT's protocols take it, with its decoded frames H×W×3.

    Raises:
        SourceError: another number of frames than of boxes.
    """
    if len(frames) != len(sequence.boxes):
        raise SourceError(f"{sequence.video}: {len(frames)} frames for {len(sequence.boxes)} boxes")
    return _annotated(sequence, name, (frames[0].shape[1], frames[0].shape[0]))


def _annotated(sequence: Sequence, name: str, size: tuple[int, int]) -> Annotated:
    truth = vot_truth(sequence)
    return Annotated(name, truth, size, spaced_anchors(truth))


def vot_truth(sequence: Sequence) -> list[Region]:
    """VOT's own polygons where the pack has them, else the boxes.

    Raises:
        SourceError: there are fewer or more polygons than boxes.
    """
    polygons = sequence.entry.get("vot_groundtruth")
    if polygons:
        path = sequence.video.parents[1] / polygons
        regions = read_regions(path)
        if len(regions) != len(sequence.boxes):
            raise SourceError(
                f"layout: {path} has {len(regions)} rows for {len(sequence.boxes)} boxes; is it cut?"
            )
        return regions
    visible = sequence.visible
    return [rectangle(box) if seen else None for box, seen in zip(sequence.boxes, visible, strict=True)]


def _row(region: Region) -> str:
    if region is None:
        return "nan,nan,nan,nan\n"
    return ",".join(f"{v:.4f}" for v in np.ravel(region)) + "\n"
