"""Lay sequences out on disk as OTB, GOT-10k or VOT expect them, so that their own toolkits read them.

python app.py eval layout otb ../shared/data/video/dev --out OTB
"""

from collections.abc import Sequence as Frames
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from eval.kept import digest, folder_for, stamp, video_stamp
from eval.regions import Region, read_regions, rectangle
from eval.sequences import Sequence, read_frames
from eval.vot_protocols import Annotated, spaced_anchors
from tracker.errors import SourceError

JPEG_QUALITY = 95
FPS = 30
# The got10k package cuts sequences whose annotation starts later than their video (datasets/otb.py); a clip
# that is cut already gets that many leading frames, so that the cut restores it.
OTB_LEADING_FRAMES = {"David": 299}


def write_otb(sequences: list[Sequence], out: Path) -> list[str]:
    """NAME/img/0001.jpg … and NAME/groundtruth_rect.txt for the sequences of OTB; returns their names.

    Raises:
        SourceError: none of the sequences belongs to OTB.
    """
    chosen = [s for s in sequences if s.dataset == "OTB"]
    if not chosen:
        raise SourceError("layout otb: none of the sequences belongs to OTB")
    for sequence in chosen:
        folder = out / _short(sequence)
        lead = OTB_LEADING_FRAMES.get(_short(sequence), 0)
        _write_frames(sequence, folder / "img", "{:04d}.jpg", lead)
        boxes = sequence.boxes + np.array([1.0, 1.0, 0.0, 0.0])  # OTB counts pixels from 1
        _write_rows(folder / "groundtruth_rect.txt", boxes)
    return [_short(s) for s in chosen]


def write_got10k(sequences: list[Sequence], out: Path) -> list[str]:
    """val/NAME/00000001.jpg … with the labels of GOT-10k, and val/list.txt; returns the names."""
    names = [s.name.replace("/", "_") for s in sequences]
    for name, sequence in zip(names, sequences, strict=True):
        folder = out / "val" / name
        height, width = _write_frames(sequence, folder, "{:08d}.jpg")
        visible = sequence.visible
        boxes = np.where(visible[:, None], sequence.boxes, 0.0)
        _write_rows(folder / "groundtruth.txt", boxes)
        (folder / "absence.label").write_text("".join(f"{int(not v)}\n" for v in visible))
        (folder / "cover.label").write_text("".join(f"{8 * int(v)}\n" for v in visible))
        (folder / "cut_by_image.label").write_text("0\n" * len(visible))
        (folder / "meta_info.ini").write_text(f"[METAINFO]\nresolution: ({width}, {height})\n")
    (out / "val" / "list.txt").write_text("".join(f"{name}\n" for name in names))
    return names


def write_vot(sequences: list[Sequence], out: Path) -> list[Annotated]:
    """NAME/{sequence, groundtruth.txt, anchor.value, color/00000001.jpg …} and list.txt under `out`."""
    annotated = []
    for name, sequence in zip(unique_names(sequences), sequences, strict=True):
        folder = out / name
        height, width = _write_frames(sequence, folder / "color", "{:08d}.jpg")
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


def annotate(sequence: Sequence, name: str, frames: Frames[npt.NDArray[np.uint8]]) -> Annotated:
    """The sequence as VOT's protocols take it, with its decoded frames H×W×3.

    Raises:
        SourceError: another number of frames than of boxes.
    """
    if len(frames) != len(sequence.boxes):
        raise SourceError(f"{sequence.video}: {len(frames)} frames for {len(sequence.boxes)} boxes")
    return _annotated(sequence, name, (frames[0].shape[1], frames[0].shape[0]))


def _annotated(sequence: Sequence, name: str, size: tuple[int, int]) -> Annotated:
    truth = vot_truth(sequence)
    return Annotated(name, truth, size, spaced_anchors(truth))


def unique_names(sequences: list[Sequence]) -> list[str]:
    """Names for folders: without the data set's, but where two would be the same."""
    short = [_short(s) for s in sequences]
    return [
        s.name.replace("/", "_") if short.count(name) > 1 else name
        for s, name in zip(sequences, short, strict=True)
    ]


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


def _short(sequence: Sequence) -> str:
    return sequence.name.split("/")[-1]


def _row(region: Region) -> str:
    if region is None:
        return "nan,nan,nan,nan\n"
    return ",".join(f"{v:.4f}" for v in np.ravel(region)) + "\n"


def _write_rows(path: Path, boxes: npt.NDArray[np.float64]) -> None:
    path.write_text("".join(",".join(f"{v:.4f}" for v in box) + "\n" for box in boxes))


def _write_frames(sequence: Sequence, folder: Path, name: str, lead: int = 0) -> tuple[int, int]:
    """JPEGs counted from 1, after `lead` copies of the first; height and width.

    A folder that is as it was left, from the same video, is kept; another one is made anew.
    """
    folder_for(folder)
    count = lead + len(sequence.boxes)
    note = folder.with_name(f".{folder.name}.key")
    places = [folder / name.format(i) for i in range(1, count + 1)]
    if not (note.is_file() and note.read_text() == _layout_key(sequence, folder)):
        note.unlink(missing_ok=True)
        for old in folder.glob("*.jpg"):
            old.unlink()
        _encode(sequence, places, lead)
        note.write_text(_layout_key(sequence, folder))
    height, width = cv2.imread(str(places[0])).shape[:2]
    return height, width


def _layout_key(sequence: Sequence, folder: Path) -> str:
    return digest(video_stamp(sequence.video), stamp(sorted(folder.glob("*.jpg"))))


def _encode(sequence: Sequence, places: list[Path], lead: int) -> None:
    """The frames as JPEGs at `places`, the first one `lead` times more.

    Raises:
        SourceError: another number of frames than of boxes.
    """
    written = 0
    for i, frame in enumerate(read_frames(sequence.video)):
        data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
        for place in places[written : written + (lead + 1 if i == 0 else 1)]:
            place.write_bytes(data)
        written += lead + 1 if i == 0 else 1
    if written != len(places):
        raise SourceError(
            f"layout: {sequence.video} has {written - lead} frames for {len(sequence.boxes)} boxes"
        )
