"""What the experiments train: an LSTM on text, a small tracker on pairs, a NAS-Bench-101 cell on pictures."""

import sysconfig
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbone import StageSpec
from models.exits import HeadSpec
from models.layout import channels_last
from models.nas.network import NasBenchNetwork
from models.network import DepthGate, NetworkSpec, pixels
from models.registry import SELECTED
from tracker.arrays import Image, Ints
from training.data.open import open_store
from training.data.pairs import PairStream
from training.nas.measure.cifar import Pictures, normalised, read_split
from training.nas.measure.tracked import SEED_OF_SAMPLES, Arrays, kept_samples, losses_of
from training.tasks.losses import boxes_of, iou_and_giou, tracking_loss
from training.tasks.targets import make_targets

FIRST_CHARACTER, CHARACTERS = 32, 97
"""Printable ASCII, and one for the end of a line and one for everything else."""

WINDOW, WINDOWS, HELD_OUT_WINDOWS = 32, 4096, 512
HELD_OUT_TRACKS, HELD_OUT_PAIRS = 8, 400


class CharLstm(nn.Module):
    """N×T characters to N×T×97 logits of the next ones."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(CHARACTERS, 32)
        self.lstm = nn.LSTM(32, width, batch_first=True)
        self.next = nn.Linear(width, CHARACTERS)

    def forward(self, text: Tensor) -> Tensor:
        out: Tensor = self.next(self.lstm(self.embed(text))[0])
        return out


@cache
def library_text() -> Ints:
    """Windows of 33 characters of the standard library's modules, in a fixed random order; n×33."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    text = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - FIRST_CHARACTER
    other = (codes < 0) | (codes >= CHARACTERS - 2)
    codes[other] = CHARACTERS - 1
    codes[np.frombuffer(text, np.uint8) == ord("\n")] = CHARACTERS - 2
    count = len(codes) // (WINDOW + 1)
    windows = codes[: count * (WINDOW + 1)].reshape(count, WINDOW + 1)
    chosen = np.random.default_rng(0).permutation(count)[: WINDOWS + HELD_OUT_WINDOWS]
    return windows[chosen]


class TextLearner:
    """A character model of the Python standard library; accuracy of the next character."""

    weight_decay, clip = 0.0, 1.0

    def __init__(self) -> None:
        windows = torch.from_numpy(library_text())
        self.train, self.held_out = windows[:WINDOWS], windows[WINDOWS:]
        self.samples = len(self.train)
        self.module: nn.Module = CharLstm()

    def loss(self, rows: Ints) -> Tensor:
        text = self.train[torch.from_numpy(rows)]
        return F.cross_entropy(self.module(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())

    @torch.no_grad()
    def validation(self) -> tuple[float, float]:
        self.module.eval()
        logits, goal = self.module(self.held_out[:, :-1]).flatten(0, 1), self.held_out[:, 1:].flatten()
        right = float((logits.argmax(1) == goal).float().mean())
        return right, float(F.cross_entropy(logits, goal))


SMALL_STAGE = StageSpec(side=64, stem=(16, 32), width=32, cells=(SELECTED,))
SMALL_TRACKER = NetworkSpec((SMALL_STAGE,), (HeadSpec(24, branches=0),))
"""One exit on a search crop of 64², 5 MMAC a frame."""


@cache
def half_size_pairs(data: Path) -> tuple[Arrays, Ints, Ints]:
    """Return the stored pairs with crops of half the side, rows to train on, and rows of held-out tracks.

    A pair is held out when the template's track is every eighth one, and left
    out of both when its search crop then shows a track of the other part.
    """
    weights = data / "peers/weights"
    teacher = weights / "nanotrackv3_nanotrack_backbone.onnx", weights / "nanotrackv3_nanotrack_head.onnx"
    samples = dict(kept_samples(data, teacher))
    for name in ("search", "template"):
        samples[name] = _halved(samples[name])
    store = open_store(data)
    stream = PairStream(store, SEED_OF_SAMPLES, "tracked")
    drawn = [stream.draw(i) for i in range(len(samples["boxes"]))]
    held = np.array([[store.track[d.template_item], store.track[d.search_item]] for d in drawn])
    held = held % HELD_OUT_TRACKS == 0
    return samples, np.flatnonzero(~held.any(1)), np.flatnonzero(held.all(1))[:HELD_OUT_PAIRS]


def _halved(crops: Image) -> Image:
    """Mean of every 2×2 pixels; N×s×s×3 to N×(s/2)×(s/2)×3."""
    out = np.empty((len(crops), crops.shape[1] // 2, crops.shape[2] // 2, 3), np.uint8)
    for i, crop in enumerate(crops):
        pairs = crop.reshape(out.shape[1], 2, out.shape[2], 2, 3).astype(np.uint16)
        out[i] = (pairs.sum((1, 3)) + 2) // 4
    return out


class TrackerLearner:
    """A small tracker on real pairs with a teacher; accuracy: mean IoU of the best cell's box."""

    weight_decay, clip = 1e-4, 5.0

    def __init__(self, data: Path) -> None:
        self.pairs, self.train, self.held_out = half_size_pairs(data)
        self.samples = len(self.train)
        self.network = channels_last(DepthGate(SMALL_TRACKER))
        self.module: nn.Module = self.network

    def loss(self, rows: Ints) -> Tensor:
        return losses_of(self.network, self.pairs, np.sort(self.train[rows])).total

    @torch.no_grad()
    def validation(self) -> tuple[float, float]:
        self.module.eval()
        rows = self.held_out
        part = {k: torch.from_numpy(self.pairs[k][rows]) for k in ("search", "template", "boxes", "present")}
        [side] = [stage.side for stage in SMALL_TRACKER.stages]
        assert side is not None
        [result] = self.network({side: pixels(part["template"])}, {side: pixels(part["search"])})
        targets = make_targets(part["boxes"], part["present"])
        loss = float(tracking_loss(result.score, result.ltrb, targets).mean())
        best = result.score.flatten(1).argmax(1)
        iou, _ = iou_and_giou(boxes_of(result.ltrb), targets.box)
        found = iou.flatten(1).gather(1, best[:, None])[:, 0]
        return float(found[part["present"]].mean()), loss


PICTURES, HELD_OUT_PICTURES, STEM = 10_000, 2_000, 8


@cache
def small_pictures(data: Path) -> tuple[Pictures, Pictures]:
    """CIFAR-10 at 16×16: 10,000 to train on, 2,000 held out."""
    train, validation = read_split(data / "images/cifar10")
    parts = (train[:PICTURES], validation[:HELD_OUT_PICTURES])
    first, second = (Pictures(_halved(part.pixels), part.labels) for part in parts)
    return first, second


class PictureLearner:
    """A small network of the tracker's selected cell on pictures."""

    weight_decay, clip = 5e-4, 5.0

    def __init__(self, data: Path, norm_momentum: float = 0.1) -> None:
        self.train, self.held_out = small_pictures(data)
        self.samples = len(self.train)
        self.module: nn.Module = channels_last(NasBenchNetwork(SELECTED, STEM, 1))
        for layer in self.module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = norm_momentum
        self._flips = np.random.default_rng(torch.initial_seed())

    def loss(self, rows: Ints) -> Tensor:
        crops = self.train.pixels[rows]
        mirrored = self._flips.random(len(rows)) < 0.5
        crops[mirrored] = crops[mirrored, :, ::-1]
        return F.cross_entropy(self.module(normalised(crops)), torch.from_numpy(self.train.labels[rows]))

    @torch.no_grad()
    def validation(self) -> tuple[float, float]:
        self.module.eval()
        logits, goal = self.module(normalised(self.held_out.pixels)), torch.from_numpy(self.held_out.labels)
        return float((logits.argmax(1) == goal).float().mean()), float(F.cross_entropy(logits, goal))
