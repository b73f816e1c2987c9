"""Lay sequences out on disk as OTB and GOT-10k expect them, so that their own toolkits read them.

The layout of VOT is in eval/vot/layout.py.

python app.py eval layout otb ../shared/data/video/dev --out OTB
"""

from pathlib import Path

import cv2
import numpy as np

from eval.data.sequences import Sequence, read_frames
from eval.results.store import digest, folder_for, stamp, video_stamp
from tracker.arrays import Floats
from tracker.errors import SourceError

JPEG_QUALITY = 95
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
        folder = out / short_name(sequence)
        lead = OTB_LEADING_FRAMES.get(short_name(sequence), 0)
        write_frames(sequence, folder / "img", "{:04d}.jpg", lead)
        boxes = sequence.boxes + np.array([1.0, 1.0, 0.0, 0.0])  # OTB counts pixels from 1
        _write_rows(folder / "groundtruth_rect.txt", boxes)
    return [short_name(s) for s in chosen]


def write_got10k(sequences: list[Sequence], out: Path) -> list[str]:
    """val/NAME/00000001.jpg … with the labels of GOT-10k, and val/list.txt; returns the names."""
    names = [s.name.replace("/", "_") for s in sequences]
    for name, sequence in zip(names, sequences, strict=True):
        folder = out / "val" / name
        height, width = write_frames(sequence, folder, "{:08d}.jpg")
        visible = sequence.visible
        boxes = np.where(visible[:, None], sequence.boxes, 0.0)
        _write_rows(folder / "groundtruth.txt", boxes)
        (folder / "absence.label").write_text("".join(f"{int(not v)}\n" for v in visible))
        (folder / "cover.label").write_text("".join(f"{8 * int(v)}\n" for v in visible))
        (folder / "cut_by_image.label").write_text("0\n" * len(visible))
        (folder / "meta_info.ini").write_text(f"[METAINFO]\nresolution: ({width}, {height})\n")
    (out / "val" / "list.txt").write_text("".join(f"{name}\n" for name in names))
    return names


def unique_names(sequences: list[Sequence]) -> list[str]:
    """Names for folders: without the data set's, but where two would be the same."""
    short = [short_name(s) for s in sequences]
    return [
        s.name.replace("/", "_") if short.count(name) > 1 else name
        for s, name in zip(sequences, short, strict=True)
    ]


def short_name(sequence: Sequence) -> str:
    """Its name without that of the data set."""
    return sequence.name.split("/")[-1]


def _write_rows(path: Path, boxes: Floats) -> None:
    path.write_text("".join(",".join(f"{v:.4f}" for v in box) + "\n" for box in boxes))


def write_frames(sequence: Sequence, folder: Path, name: str, lead: int = 0) -> tuple[int, int]:
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
    first = cv2.imread(str(places[0]))
    assert first is not None, "written above"
    height, width = first.shape[:2]
    return height, width


def _layout_key(sequence: Sequence, folder: Path) -> str:
    return digest(video_stamp(sequence.video), stamp(sorted(folder.glob("*.jpg"))))


def _encode(sequence: Sequence, places: list[Path], lead: int) -> None:
    """Write the frames as JPEGs at `places`, the first one `lead` times more.

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
