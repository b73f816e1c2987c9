"""Every picture that training looks at, decoded once into one memory-mapped file.

Videos and photographs of the packs (folders `video/train`, `video/weak`,
`images/masked`, `images/plain` under one root) become raw BGR pixels and a
table of items: a picture, a box in it, its track and its group. The file
lives in the user's cache, named by the digest of the packs' indices.
"""

import gzip
import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track as progress

from eval.sequences import Sequence, read_frames, read_pack
from tracker.errors import SourceError

ANNOTATED, RELIABLE, PSEUDO, STILL, BACKGROUND = range(5)
FRAMES_PER_TRACK = {ANNOTATED: 60, RELIABLE: 16, PSEUDO: 5}
FRAMES_PER_FODA_TRACK = 6
MIN_BOX_PX = 6
LAYOUT = 1


@dataclass(frozen=True)
class FrameStore:
    """Items in columns, all of length n.

    Attributes:
        pixels: flat uint8, memory-mapped.
        offset, height, width: where the item's picture lies in `pixels`.
        box: n×4, xywh in its pixels; zero for a background.
        track: items of one track show the same target.
        kind: ANNOTATED … BACKGROUND.
        group: what is drawn first, so that no long video or frequent class dominates.
        digest: of the packs' indices.
    """

    pixels: npt.NDArray[np.uint8]
    offset: npt.NDArray[np.int64]
    height: npt.NDArray[np.int32]
    width: npt.NDArray[np.int32]
    box: npt.NDArray[np.float32]
    track: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int8]
    group: npt.NDArray[np.int32]
    digest: str

    def image(self, item: int) -> npt.NDArray[np.uint8]:
        """H×W×3 BGR, a read-only view."""
        h, w, start = int(self.height[item]), int(self.width[item]), int(self.offset[item])
        return self.pixels[start : start + h * w * 3].reshape(h, w, 3)


@dataclass
class _Row:
    image: npt.NDArray[np.uint8]
    box: tuple[float, float, float, float]
    track: str
    kind: int
    group: str


def open_store(root: Path, cache: Path | None = None) -> FrameStore:
    """The store of the packs under `root`, built on first use (about a minute, 5 GB).

    Raises:
        SourceError: a pack is missing or cannot be read.
    """
    indices = [
        root / "video/train/index.json",
        root / "video/weak/index.json",
        root / "images/masked/instances.jsonl.gz",
        root / "images/plain/images.jsonl.gz",
    ]
    missing = [str(path) for path in indices if not path.is_file()]
    if missing:
        raise SourceError(f"training data: {missing[0]} is missing; set data.root to the folder of the packs")
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in indices)).hexdigest()[:16]
    base = cache or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "depthgate"
    folder = base / f"frames-{LAYOUT}-{digest}"
    if not (folder / "items.npz").is_file():
        _build(root, folder)
    table = np.load(folder / "items.npz")
    pixels = np.memmap(folder / "pixels.u8", np.uint8, "r")
    return FrameStore(pixels, **{name: table[name] for name in table.files}, digest=digest)


def _build(root: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[Any]] = {
        k: [] for k in ("offset", "height", "width", "box", "track", "kind", "group")
    }
    tracks: dict[str, int] = {}
    groups: dict[str, int] = {}
    written, last = 0, (0, None)
    with open(folder / "pixels.u8.part", "wb") as out:
        for row in _rows(root):
            if row.image is not last[1]:
                last = (written, row.image)
                written += out.write(row.image.tobytes())
            columns["offset"].append(last[0])
            columns["height"].append(row.image.shape[0])
            columns["width"].append(row.image.shape[1])
            columns["box"].append(row.box)
            columns["track"].append(tracks.setdefault(row.track, len(tracks)))
            columns["kind"].append(row.kind)
            columns["group"].append(groups.setdefault(row.group, len(groups)))
    os.replace(folder / "pixels.u8.part", folder / "pixels.u8")
    types = {"offset": np.int64, "box": np.float32, "kind": np.int8}
    arrays = {name: np.asarray(values, types.get(name, np.int32)) for name, values in columns.items()}
    np.savez(folder / "items.part.npz", **arrays)
    os.replace(folder / "items.part.npz", folder / "items.npz")


def _rows(root: Path) -> Iterator[_Row]:
    yield from _video_rows(
        read_pack(root / "video/train") + read_pack(root / "video/weak"), root / "video/weak"
    )
    yield from _photo_rows(root / "images/masked", with_boxes=True)
    yield from _photo_rows(root / "images/plain", with_boxes=False)


def _video_rows(sequences: list[Sequence], weak: Path) -> Iterator[_Row]:
    by_video: dict[Path, list[Sequence]] = {}
    for sequence in sequences:
        by_video.setdefault(sequence.video, []).append(sequence)
    for video, targets in progress(by_video.items(), "decoding videos", transient=True):
        picks: dict[int, list[tuple[Sequence, int]]] = {}
        for target in targets:
            kind = _kind(target) if weak in video.parents else ANNOTATED
            count = FRAMES_PER_FODA_TRACK if target.dataset == "FODA" else FRAMES_PER_TRACK[kind]
            usable = np.flatnonzero(
                target.visible & (np.nan_to_num(target.boxes[:, 2:]) >= MIN_BOX_PX).all(1)
            )
            if len(usable) < 2:
                continue
            spread = np.linspace(0, len(usable) - 1, min(count, len(usable))).round().astype(int)
            for i in np.unique(usable[spread]):
                picks.setdefault(int(i), []).append((target, kind))
        for i, frame in enumerate(read_frames(video)):
            for target, kind in picks.get(i, ()):
                yield _Row(frame, tuple(target.boxes[i]), target.name, kind, f"{kind}:{target.source_video}")


def _kind(target: Sequence) -> int:
    """Machine-made tracks count as reliable when they stand out and move (the pack's own advice)."""
    described = {t["csv"]: t for t in target.entry.get("tracks", [])}.get(target.entry["table"])
    if described is None:
        return RELIABLE
    clear = (described.get("contrast") or 0) > 1.5 and (described.get("motion") or 0) > 0.2
    return RELIABLE if clear else PSEUDO


def _photo_rows(folder: Path, with_boxes: bool) -> Iterator[_Row]:
    images = [entry for entry in _jsonl(folder / "images.jsonl.gz") if entry["split"] == "train"]
    instances: dict[str, list[dict[str, Any]]] = {}
    if with_boxes:
        for instance in _jsonl(folder / "instances.jsonl.gz"):
            instances.setdefault(instance["image_id"], []).append(instance)
    by_file = {(entry["tar"], entry["file"]): entry for entry in images}
    for name in progress(
        sorted({entry["tar"] for entry in images}), f"decoding {folder.name}", transient=True
    ):
        with tarfile.open(folder / name) as archive:
            for member in archive:
                entry = by_file.get((name, member.name))
                data = archive.extractfile(member) if entry is not None else None
                if entry is None or data is None:
                    continue
                image = cv2.imdecode(np.frombuffer(data.read(), np.uint8), cv2.IMREAD_COLOR)
                if image is None:
                    raise SourceError(f"cannot decode {member.name} of {folder / name}")
                picture = np.asarray(image, np.uint8)
                key = entry["image_id"]
                if not with_boxes:
                    yield _Row(picture, (0.0, 0.0, 0.0, 0.0), f"plain:{key}", BACKGROUND, f"plain:{key}")
                for j, instance in enumerate(instances.get(key, ())):
                    x, y, w, h = (float(v) for v in instance["box"])
                    if min(w, h) >= 12:
                        yield _Row(
                            picture, (x, y, w, h), f"still:{key}:{j}", STILL, f"class:{instance['cls']}"
                        )


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            yield json.loads(line)
