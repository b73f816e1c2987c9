"""Painted pictures: a store, where a bright rectangle on dark ground is the target; a folder of colours."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.backbone import StageSpec
from models.cell_spec import CONV1X1, CellSpec
from models.exits import HeadSpec
from models.network import DepthGate, NetworkSpec
from training.data.store import ANNOTATED, BACKGROUND, PSEUDO, RELIABLE, STILL, FrameStore

HEIGHT, WIDTH = 120, 160


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def painted_store() -> FrameStore:
    return paint_store()


def paint_store() -> FrameStore:
    """Three tracks of four frames for every kind, and three backgrounds."""
    rng = np.random.default_rng(0)
    pixels, rows = [], []
    for kind in (ANNOTATED, RELIABLE, PSEUDO, STILL, BACKGROUND):
        for track in range(3):
            for _ in range(4 if kind in (ANNOTATED, RELIABLE, PSEUDO) else 1):
                image = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
                w, h = rng.integers(24, 40, 2)
                x, y = rng.integers(40, 80), rng.integers(30, 60)
                if kind != BACKGROUND:
                    image[y : y + h, x : x + w] = 220
                box = (0, 0, 0, 0) if kind == BACKGROUND else (x, y, w, h)
                rows.append((len(rows) * image.size, box, kind * 10 + track, kind))
                pixels.append(image.reshape(-1))
    n = len(rows)
    tracks = np.array([r[2] for r in rows], np.int32)
    return FrameStore(
        pixels=np.concatenate(pixels),
        offset=np.array([r[0] for r in rows], np.int64),
        height=np.full(n, HEIGHT, np.int32),
        width=np.full(n, WIDTH, np.int32),
        box=np.array([r[1] for r in rows], np.float32),
        track=tracks,
        kind=np.array([r[3] for r in rows], np.int8),
        group=tracks,
        digest="painted",
    )


COLOURS = {"blue": (200, 60, 60), "green": (60, 200, 60), "grey": (120, 120, 120), "red": (60, 60, 200)}


@pytest.fixture
def painted_folder(tmp_path) -> Path:
    return paint_folder(tmp_path / "painted")


def paint_folder(folder: Path) -> Path:
    """Twelve noisy pictures of each colour to train on and three to validate on; one of each is a PNG."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 3)):
        for name, colour in COLOURS.items():
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                height, width = rng.integers(36, 60, 2)
                image = rng.normal(colour, 40, (height, width, 3)).clip(0, 255).astype(np.uint8)
                ending = ("png", "jpg", "JPEG")[min(i, 2)]
                cv2.imwrite(str(folder / split / name / f"{i:02}.{ending}"), image)
    return folder


def tiny_network() -> DepthGate:
    """Four stages like those of depthgate-s, a few channels each."""
    cells = (CellSpec.from_edges((CONV1X1,), ((0, 1), (1, 2))),)
    stages = (
        StageSpec(side=128, stem=(4, 4, 4), width=8, cells=cells),
        StageSpec(side=None, stem=(), width=8, cells=cells),
        StageSpec(side=256, stem=(4, 4, 4, 4), width=8, cells=cells),
        StageSpec(side=None, stem=(), width=8, cells=cells),
    )
    return DepthGate(NetworkSpec(stages=stages, heads=(HeadSpec(4, branches=0),) * len(stages)))


def tiny_costs(spec: NetworkSpec) -> torch.Tensor:
    """Of tiny_network, which nobody measured."""
    return torch.tensor([0.15, 0.3, 0.7, 1.0])[-len(spec.stages) :]
