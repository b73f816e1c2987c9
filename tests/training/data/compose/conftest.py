"""Small packs in the true format: painted objects with masks, gradients as grounds, one clip a split."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.data.test_store import entry, write_clip
from training.data.compose.library import Library, open_library

SIDE = 160


def encode_mask(mask: np.ndarray) -> str:
    """COCO's compressed runs, after rleToString of maskApi.c."""
    flat = np.concatenate([[0], mask.T.reshape(-1).astype(int), [-1]])
    edges = np.flatnonzero(np.diff(flat))
    runs = np.diff(np.concatenate([[0], edges])).tolist()
    if mask.T.reshape(-1)[0]:
        runs = [0, *runs[1:]] if runs[0] == 0 else [0, *runs]
    text = ""
    for i, run in enumerate(runs):
        value, more = run - (runs[i - 2] if i > 2 else 0), True
        while more:
            code, value = value & 0x1F, value >> 5
            more = value != -1 if code & 0x10 else value != 0
            text += chr((code | 0x20 if more else code) + 48)
    return text


def ground(number: int) -> np.ndarray:
    """A dark gradient with a texture of its own."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(10, 90, (5, 6, 3)).astype(np.uint8)
    return cv2.resize(coarse, (SIDE + 40, SIDE), interpolation=cv2.INTER_CUBIC)


def blob(number: int) -> np.ndarray:
    """The mask of a tilted ellipse."""
    rng = np.random.default_rng(100 + number)
    axes = int(rng.integers(22, 34)), int(rng.integers(30, 45))
    mask = np.zeros((SIDE, SIDE + 40), np.uint8)
    cv2.ellipse(mask, (95, 80), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return mask.astype(bool)


def write_tar(folder: Path, pictures: dict[str, np.ndarray]) -> None:
    with tarfile.open(folder / "images-00.tar", "w") as archive:
        for name, picture in pictures.items():
            data = cv2.imencode(".png", picture)[1].tobytes()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def write_lines(path: Path, rows: list[dict]) -> None:
    with gzip.open(path, "wt") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def write_packs(root: Path, each: int = 4) -> Path:
    """`each` objects of two classes and as many grounds a split; hashes are far apart."""
    rng = np.random.default_rng(5)
    for pack in ("masked", "plain"):
        folder = root / "images" / pack
        folder.mkdir(parents=True)
        images, instances, pictures = [], [], {}
        for number in range(2 * each):
            picture, name = ground(number + 50 * (pack == "plain")), f"{number:06}.png"
            if pack == "masked":
                mask = blob(number)
                picture[mask] = rng.integers(170, 255, 3)
                rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
                box = [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
                about = {"cls": ("cup", "ball")[number % 2], "border": 0, "rle": encode_mask(mask)}
                instances.append({"image_id": number, "box": [float(v) for v in box], **about})
            pictures[name] = picture
            about = {
                "split": "train" if number < each else "val",
                "src": "painted",
                "key": f"{pack}/{number}",
            }
            hashed = f"{rng.integers(0, 2**63):016x}"
            images.append(
                {"image_id": number, "file": name, "tar": "images-00.tar", "phash": hashed, **about}
            )
        write_tar(folder, pictures)
        write_lines(folder / "images.jsonl.gz", images)
        write_lines(folder / "instances.jsonl.gz", instances)
    for split in ("train", "val"):
        write_clip(root / "video" / split, f"clip-{split}", 60)
        (root / "video" / split / "index.json").write_text(json.dumps([entry(f"clip-{split}")]))
    return root


@pytest.fixture(scope="session")
def packs(tmp_path_factory) -> Path:
    return write_packs(tmp_path_factory.mktemp("packs"))


@pytest.fixture(scope="session")
def library(packs) -> Library:
    return open_library(packs, "train", packs / "cache")
