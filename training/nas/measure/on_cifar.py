"""Measure cells ourselves: train a small NAS-Bench-101 network on CIFAR-10 by the paper's recipe.

    python app.py search measure spread:24 --repeats 3 --table ../shared/data/nasbench101/nasbench101.npz

Every finished training is a line of OUT.jsonl at once, so an interrupted run
goes on, and `training.nas.benchmark.table.load_own` reads the lines as a table.
Source: the recipe of google-research/nasbench (config.py, model_builder.py):
RMSProp with momentum .9 and ε 1, batch 256, cosine from .2 to 0 in every
step, weight decay 1e-4 on every parameter, crops of the padded picture, flips.
It has a loop of its own, since this optimiser and a rate that falls with every
step are the paper's and not what the recipes of training/loop.py offer.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from joblib import delayed
from torch import Tensor

from eval.results.host import describe_host
from models.layout import channels_last
from models.nas.network import NasBenchNetwork
from models.nas.space import enumerate_space
from tracker.arrays import Bools, Ints
from training.nas.benchmark.table import Table, TableError
from training.nas.measure.cifar import SIDE, Pictures, normalised, read_split
from training.run.jobs import read_lines, train_all

BATCH, RATE, WEIGHT_DECAY, PADDING = 256, 0.2, 1e-4, 4


@dataclass(frozen=True)
class Scaled:
    """How much smaller than the original the network and its training are."""

    stem: int = 8
    cells: int = 1
    epochs: int = 4


def measure(
    rows: list[int], repeats: int, cifar: Path, out: Path, scaled: Scaled = Scaled(), jobs: int = 2
) -> list[dict[str, Any]]:
    """Train what OUT has no line for yet, and return its lines.

    Raises:
        SourceError: no CIFAR-10 pack. TableError: OUT was measured with another network.
    """
    done = read_lines(out)
    if any(line["network"] != asdict(scaled) for line in done):
        raise TableError(f"measure: {out} holds trainings of another network; expected {asdict(scaled)}")
    have = {(line["row"], line["repeat"]) for line in done}
    tasks = [(row, r) for r in range(repeats) for row in rows if (row, r) not in have]
    if tasks:
        train, validation = read_split(cifar)
        calls = [delayed(train_cell)(row, repeat, scaled, train, validation) for row, repeat in tasks]
        train_all(calls, out, jobs, "training cells")
    return read_lines(out)


def spread(table: Table, count: int) -> list[int]:
    """Rows whose published accuracies at 108 epochs lie at evenly spaced ranks."""
    order = np.argsort(table.as_published()[:, -1], kind="stable")
    return [int(row) for row in table.rows[order[np.linspace(0, len(order) - 1, count).round().astype(int)]]]


def train_cell(
    row: int, repeat: int, scaled: Scaled, train: Pictures, validation: Pictures
) -> dict[str, Any]:
    """One training on one thread; the line for it."""
    torch.set_num_threads(1)
    torch.manual_seed(1000 * repeat + row % 1000)
    cell = enumerate_space()[row]
    net = channels_last(NasBenchNetwork(cell, scaled.stem, scaled.cells))
    steps = scaled.epochs * len(train) // BATCH
    optimiser = torch.optim.RMSprop(
        net.parameters(), RATE, alpha=0.9, eps=1.0, momentum=0.9, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    begun = time.perf_counter()
    net.train()
    for pixels, labels in _batches(train, steps, np.random.default_rng((repeat, row))):
        loss = torch.nn.functional.cross_entropy(net(pixels), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    seconds = time.perf_counter() - begun
    return {
        "row": row,
        "hash": cell.hash(),
        "repeat": repeat,
        "accuracy": round(accuracy(net, validation), 5),
        "seconds": round(seconds, 1),
        "network": asdict(scaled),
        "cpu": describe_host()["cpu"],
    }


@torch.no_grad()
def accuracy(net: torch.nn.Module, pictures: Pictures) -> float:
    """Share of pictures named right, batch norm by its running moments."""
    net.eval()
    right = 0
    for start in range(0, len(pictures), 500):
        part = pictures[slice(start, start + 500)]
        right += int((net(normalised(part.pixels)).argmax(1).numpy() == part.labels).sum())
    return right / len(pictures)


def _batches(train: Pictures, steps: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled epoch by epoch without a rest; each picture is cropped out of its padding, maybe flipped."""
    order = np.concatenate([rng.permutation(len(train)) for _ in range(-(-steps * BATCH // len(train)))])
    for chosen in order[: steps * BATCH].reshape(steps, BATCH):
        corners = rng.integers(0, 2 * PADDING + 1, (BATCH, 2))
        flips = rng.random(BATCH) < 0.5
        yield (
            normalised(_augmented(train.pixels[chosen], corners, flips)),
            torch.from_numpy(train.labels[chosen]),
        )


def _augmented(pixels: npt.NDArray[np.uint8], corners: Ints, flips: Bools) -> npt.NDArray[np.uint8]:
    sides = ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0))
    padded = np.pad(pixels, sides)
    out = np.empty_like(pixels)
    for i, ((y, x), flip) in enumerate(zip(corners, flips, strict=True)):
        crop = padded[i, y : y + SIDE, x : x + SIDE]
        out[i] = crop[:, ::-1] if flip else crop
    return out
