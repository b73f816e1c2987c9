"""Every picture that training looks at, decoded once into one memory-mapped file.

Videos and photographs of the packs (folders `video/train`, `video/weak`,
`images/masked`, `images/plain` under one root) become raw BGR pixels and a
table of items: a picture, a box in it, its track and its group. The file
lives in the user's cache, named by the digest of the packs' indices.

PictureStore is what the streams ask of any store; training/data/shards.py is the
other one, for data that do not fit decoded on a disk.
"""

import gzip
import hashlib
import json
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track as progress

from eval.data.sequences import Sequence, read_frames, read_pack
from tracker.arrays import Float32s, Image, Ints
from tracker.cache import user_cache
from tracker.crop import Window, cut
from tracker.errors import SourceError
from tracker.template import mean_colour

ANNOTATED, RELIABLE, PSEUDO, STILL, BACKGROUND = range(5)
KINDS = ("annotated", "reliable", "pseudo", "still", "background")
FRAMES_PER_TRACK = {ANNOTATED: 60, RELIABLE: 16, PSEUDO: 5}
FRAMES_PER_FODA_TRACK = 6
MIN_BOX_PX = 6
LAYOUT = 1


class PictureStore(Protocol):
    """Items in columns, all of length n, and the pixels of any window of their pictures.

    Attributes:
        height, width: of the item's picture, in pixels.
        box: n×4, xywh in its pixels; zero for a background.
        track: items of one track show the same target.
        kind: ANNOTATED … BACKGROUND.
        group: what is drawn first, so that no long video or frequent class dominates.
        digest: of what the store was made from.
    """

    @property
    def height(self) -> npt.NDArray[np.int32]: ...
    @property
    def width(self) -> npt.NDArray[np.int32]: ...
    @property
    def box(self) -> Float32s: ...
    @property
    def track(self) -> npt.NDArray[np.int32]: ...
    @property
    def kind(self) -> npt.NDArray[np.int8]: ...
    @property
    def group(self) -> npt.NDArray[np.int32]: ...
    @property
    def digest(self) -> str: ...

    def region(self, item: int, window: Window, px: int) -> Image:
        """Cut the window of the item's picture as px×px×3 BGR; its mean colour where the window leaves it.

        Raises:
            SourceError: the picture cannot be read.
        """
        ...


@dataclass(frozen=True)
class FrameStore:
    """A PictureStore of raw pixels.

    Attributes:
        pixels: flat uint8, memory-mapped.
        offset: where the item's picture begins in `pixels`.
        others: see PictureStore.
    """

    pixels: npt.NDArray[np.uint8]
    offset: Ints
    height: npt.NDArray[np.int32]
    width: npt.NDArray[np.int32]
    box: Float32s
    track: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int8]
    group: npt.NDArray[np.int32]
    digest: str

    def image(self, item: int) -> Image:
        """Return the item's picture, H×W×3 BGR, a read-only view."""
        h, w, start = int(self.height[item]), int(self.width[item]), int(self.offset[item])
        return self.pixels[start : start + h * w * 3].reshape(h, w, 3)

    def region(self, item: int, window: Window, px: int) -> Image:
        image = self.image(item)
        return cut(image, window, px, mean_colour(image))


@dataclass(frozen=True, eq=False)
class Row:
    """An item before it is stored; rows in a row with the same `image` object share one picture."""

    image: Image
    box: tuple[float, float, float, float]
    track: str
    kind: int
    group: str


def open_packs(root: Path, cache: Path | None = None) -> FrameStore:
    """Open the raw store of the packs under `root`; build it on first use (about a minute, 5 GB).

    Raises:
        SourceError: a pack is missing or cannot be read.
    """
    digest = packs_digest(root)
    folder = (cache or user_cache()) / f"frames-{LAYOUT}-{digest}"
    if not (folder / "items.npz").is_file():
        write_frames(pack_rows(root), folder)
    return open_frames(folder, digest)


def packs_digest(root: Path) -> str:
    """Hash the packs' indices to 16 hexadecimal digits.

    Raises:
        SourceError: a pack is missing.
    """
    indices = [
        root / "video/train/index.json",
        root / "video/weak/index.json",
        root / "images/masked/instances.jsonl.gz",
        root / "images/plain/images.jsonl.gz",
    ]
    missing = [str(path) for path in indices if not path.is_file()]
    if missing:
        raise SourceError(
            f"training data: {missing[0]} is missing; set data.root to the folder of the packs, "
            "or make a small set: python -m training.starter"
        )
    return hashlib.sha256(b"".join(p.read_bytes() for p in indices)).hexdigest()[:16]


def open_frames(folder: Path, digest: str) -> FrameStore:
    """Open what write_frames wrote."""
    table = np.load(folder / "items.npz")
    pixels = np.memmap(folder / "pixels.u8", np.uint8, "r")
    return FrameStore(pixels, **{name: table[name] for name in table.files}, digest=digest)


def write_frames(rows: Iterable[Row], folder: Path) -> None:
    """Write raw pixels and the table of items; both appear under their names only when whole.

    Raises:
        SourceError: there are no rows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = ItemColumns()
    offset: list[int] = []
    written = 0
    last: tuple[int, Image | None] = 0, None
    with open(folder / "pixels.u8.part", "wb") as out:
        for row in rows:
            if row.image is not last[1]:
                last = (written, row.image)
                written += out.write(row.image.tobytes())
            offset.append(last[0])
            columns.add(row)
    if not offset:
        raise SourceError(f"frames {folder}: there is no picture with a target to keep")
    os.replace(folder / "pixels.u8.part", folder / "pixels.u8")
    np.savez(folder / "items.part.npz", offset=np.asarray(offset, np.int64), **columns.arrays())
    os.replace(folder / "items.part.npz", folder / "items.npz")


class ItemColumns:
    """Collects rows into the columns of a PictureStore; tracks and groups become numbers."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {
            k: [] for k in ("height", "width", "box", "track", "kind", "group")
        }
        self._tracks: dict[str, int] = {}
        self._groups: dict[str, int] = {}

    def add(self, row: Row) -> None:
        values = {
            "height": row.image.shape[0],
            "width": row.image.shape[1],
            "box": row.box,
            "track": self._tracks.setdefault(row.track, len(self._tracks)),
            "kind": row.kind,
            "group": self._groups.setdefault(row.group, len(self._groups)),
        }
        for name, value in values.items():
            self._columns[name].append(value)

    def arrays(self) -> dict[str, Any]:
        types = {"box": np.float32, "kind": np.int8}
        return {name: np.asarray(values, types.get(name, np.int32)) for name, values in self._columns.items()}


def pack_rows(root: Path) -> Iterator[Row]:
    """Yield every item of the packs, decoded; those of one picture follow each other."""
    yield from video_rows(
        read_pack(root / "video/train") + read_pack(root / "video/weak"), root / "video/weak"
    )
    yield from photo_rows(root / "images/masked", with_boxes=True)
    yield from photo_rows(root / "images/plain", with_boxes=False)


def video_rows(sequences: list[Sequence], weak: Path, most: int | None = None) -> Iterator[Row]:
    """Yield a spread of frames of every sequence, `most` if given; tracks in `weak` are machine-made."""
    by_video: dict[Path, list[Sequence]] = {}
    for sequence in sequences:
        by_video.setdefault(sequence.video, []).append(sequence)
    for video, targets in progress(by_video.items(), "decoding videos", transient=True):
        picks: dict[int, list[tuple[Sequence, int]]] = {}
        for target in targets:
            kind = kind_of(target) if weak in video.parents else ANNOTATED
            count = FRAMES_PER_FODA_TRACK if target.dataset == "FODA" else FRAMES_PER_TRACK[kind]
            count = min(count, most or count)
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
                yield Row(frame, tuple(target.boxes[i]), target.name, kind, f"{kind}:{target.source_video}")


def kind_of(target: Sequence) -> int:
    """Rate a machine-made track: reliable when it stands out and moves (the pack's own advice)."""
    described = {t["csv"]: t for t in target.entry.get("tracks", [])}.get(target.entry["table"])
    if described is None:
        return RELIABLE
    clear = (described.get("contrast") or 0) > 1.5 and (described.get("motion") or 0) > 0.2
    return RELIABLE if clear else PSEUDO


def photo_rows(folder: Path, with_boxes: bool, split: str = "train", every: int = 1) -> Iterator[Row]:
    """Yield every `every`-th photograph of a split: an item per instance, or one without a box."""
    images = [entry for entry in _jsonl(folder / "images.jsonl.gz") if entry["split"] == split][::every]
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
                    yield Row(picture, (0.0, 0.0, 0.0, 0.0), f"plain:{key}", BACKGROUND, f"plain:{key}")
                for j, instance in enumerate(instances.get(key, ())):
                    x, y, w, h = (float(v) for v in instance["box"])
                    if min(w, h) >= 12:
                        yield Row(
                            picture, (x, y, w, h), f"still:{key}:{j}", STILL, f"class:{instance['cls']}"
                        )


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            yield json.loads(line)
