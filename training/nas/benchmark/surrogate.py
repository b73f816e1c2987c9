"""A fitted model of the table: what a cell would reach after 4, 12, 36 and 108 epochs, and its seconds.

    python app.py search fit --table ../shared/data/nasbench101/nasbench101.npz

A small network passes messages along and against the edges of a cell's graph;
several of them, from different seeds, are averaged. It learns the published
numbers as they are: single repeats at 4, 12 and 36 epochs, the best of three
at 108. `landscape` adds what no model can know, the noise. It fits in a loop of
its own: a table of numbers in memory, one cycle of the rate, no samples to
stream and nothing to resume.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from joblib import Parallel, delayed
from rich.progress import track
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.stats import spearmanr
from torch import Tensor, nn

from eval.results.host import describe_host
from eval.results.store import file_for, write_json
from models.cell_spec import MAX_VERTICES
from models.nas.features import OUTPUT, PADDING, arrays, features, widths
from models.nas.space import Space
from tracker.arrays import Floats, Ints
from tracker.files import replacing
from training.nas.benchmark.table import EPOCHS, Others, Table, TableError, logged, unlogged

SHIPPED = Path(__file__).with_name("surrogate.safetensors")
HIDDEN, LAYERS, FEATURES = 64, 5, 78
PASSES, BATCH, PEAK_RATE, DECAY = 60, 256, 2e-3, 0.02
TARGET_WEIGHTS = (0.15, 0.25, 0.6, 1.0, 0.3)  # accuracy at EPOCHS, then log seconds of 108
MEMBERS, FOLDS = 3, 5


class CellNet(nn.Module):
    """Cells to standardised targets N×5 (accuracies at EPOCHS, log seconds).

    Five rounds of messages along and against the edges; the input's, the
    output's and the summed states are read together with the features.
    """

    def __init__(self) -> None:
        super().__init__()
        self.label = nn.Embedding(PADDING + 1, HIDDEN)
        self.width = nn.Linear(1, HIDDEN)
        self.rounds = nn.ModuleList(_Round() for _ in range(LAYERS))
        self.features = nn.Linear(FEATURES, HIDDEN)
        self.read = nn.Sequential(
            nn.LayerNorm(4 * HIDDEN),
            nn.Linear(4 * HIDDEN, 2 * HIDDEN),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(2 * HIDDEN, len(TARGET_WEIGHTS)),
        )

    def forward(self, edges: Tensor, labels: Tensor, width: Tensor, seen: Tensor) -> Tensor:
        """Predict from edges N×7×7, labels N×7, width N×7 (share of the cell's) and features `seen` N×78."""
        here = (labels != PADDING)[..., None]
        state = (self.label(labels) + self.width(width[..., None])) * here
        for message_round in self.rounds:
            state = message_round(state, edges) * here
        output = (state * (labels == OUTPUT)[..., None]).sum(1)
        whole = state.sum(1) / MAX_VERTICES
        targets: Tensor = self.read(torch.cat([state[:, 0], output, whole, self.features(seen)], 1))
        return targets


class _Round(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(HIDDEN)
        self.mix = nn.Linear(3 * HIDDEN, HIDDEN)
        self.out = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, state: Tensor, edges: Tensor) -> Tensor:
        x = self.norm(state)
        seen = torch.cat([x, edges.transpose(1, 2) @ x, edges @ x], 2)
        change: Tensor = self.out(torch.relu(self.mix(seen)))
        return state + change


@dataclass(frozen=True)
class Scaling:
    """Centre and spread of the features and of the targets."""

    features: Floats
    targets: Floats


@dataclass(frozen=True)
class Surrogate:
    """Members that are averaged, their scaling, and the covariance of what they miss.

    Attributes:
        covariance: 4×4, of the residuals of `logged` accuracy on held-out cells, at EPOCHS.
        luck: 4, standard deviation of one repeat around the mean of many.
        scores: how it did on held-out cells.
    """

    members: tuple[CellNet, ...]
    scaling: Scaling
    covariance: Floats
    luck: Floats
    scores: dict[str, Any]

    def predict(self, space: Space, rows: Ints) -> tuple[Floats, Floats]:
        """Predict `logged` accuracies N×4 of one training (at 108: best of three), and its seconds."""
        inputs = _inputs(space, rows, self.scaling.features)
        raw = np.mean([_run(member, inputs) for member in self.members], 0)
        targets = raw * self.scaling.targets[1] + self.scaling.targets[0]
        return targets[:, : len(EPOCHS)], np.exp(targets[:, -1])


def load_surrogate(path: Path = SHIPPED) -> Surrogate:
    """Load the shipped model, or another one that `search fit` wrote.

    Raises:
        TableError: the file is missing or is not such a model.
    """
    try:
        arrays_, scores = load_file(path), json.loads(path.with_suffix(".json").read_text())
        count = 1 + max(int(name.split(".")[0]) for name in arrays_ if name[0].isdigit())
        members = tuple(CellNet().eval() for _ in range(count))
        for k, member in enumerate(members):
            start = f"{k}."
            state = {
                n[len(start) :]: torch.from_numpy(a).float()
                for n, a in arrays_.items()
                if n.startswith(start)
            }
            member.load_state_dict(state)
        scaling = Scaling(arrays_["features"], arrays_["targets"])
        return Surrogate(members, scaling, arrays_["covariance"], arrays_["luck"], scores)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise TableError(f"surrogate: {path} cannot be read ({error}); fit one with search fit") from error


def fit_surrogate(
    table: Table, others: Others, noise: float, out: Path = SHIPPED, jobs: int = 2
) -> dict[str, Any]:
    """Cross-validate, fit on everything, check on other people's cells; writes OUT and OUT's .json.

    Args:
        table: the published measurements; others: cells measured by others (CLUE, NASLib);
            noise: standard deviation of `logged` accuracy between repeats at 108 epochs.
    """
    space, rows = table.space, table.rows
    targets = np.concatenate(
        [logged(table.as_published()), np.log(np.nanmean(table.seconds[:, -1], 1, keepdims=True))], 1
    )
    scaling = Scaling(_scale(features(space, rows)[0]), _scale(targets))
    inputs = _inputs(space, rows, scaling.features)
    wanted = torch.tensor((targets - scaling.targets[0]) / scaling.targets[1], dtype=torch.float32)
    fold = np.random.default_rng(0).permutation(len(rows)) % FOLDS
    tasks = [(k, seed) for k in range(FOLDS) for seed in range(MEMBERS)] + [(-1, s) for s in range(MEMBERS)]
    work = Parallel(jobs, return_as="generator")(
        delayed(_fit_member)(inputs, wanted, np.flatnonzero(fold != k), seed) for k, seed in tasks
    )
    members = list(track(work, "fitting the surrogate", len(tasks), transient=True))
    held_out = np.empty_like(targets)
    for k in range(FOLDS):
        mine = [m for m, (other, _) in zip(members, tasks, strict=True) if other == k]
        at = np.flatnonzero(fold == k)
        held_out[at] = np.mean([_run(m, _rows_of(inputs, at)) for m in mine], 0)
    held_out = held_out * scaling.targets[1] + scaling.targets[0]
    residuals = (targets - held_out)[:, : len(EPOCHS)]
    final = Surrogate(tuple(members[-MEMBERS:]), scaling, _covariance(residuals), np.zeros(len(EPOCHS)), {})
    final = replace(final, luck=_luck(final, space, others, noise))
    scores = {
        "command": "python app.py search fit",
        "host": describe_host(),
        "members": MEMBERS,
        "folds": FOLDS,
        "cells": len(rows),
        "held_out": held_out_scores(targets, held_out, fold),
        "external": _external(final, space, table, others),
    }
    scores["table"] = table_of(scores)
    _save(final, scores, out)
    return scores


def held_out_scores(targets: Floats, held_out: Floats, fold: Ints) -> dict[str, Any]:
    """Rank correlations of predictions of cells that were held out, over all and by fold."""
    truth, guess = targets[:, 3], held_out[:, 3]
    top = truth >= np.quantile(truth, 0.9)
    folds = [float(spearmanr(truth[fold == k], guess[fold == k])[0]) for k in range(FOLDS)]
    errors = 100 * np.abs(unlogged(truth) - unlogged(guess))
    return {
        "spearman": {
            str(e): float(spearmanr(targets[:, i], held_out[:, i])[0]) for i, e in enumerate(EPOCHS)
        },
        "spearman_108_by_fold": folds,
        "spearman_108_top_tenth": float(spearmanr(truth[top], guess[top])[0]),
        "top_tenth_by_fold": [
            float(spearmanr(truth[top & (fold == k)], guess[top & (fold == k)])[0]) for k in range(FOLDS)
        ],
        "absolute_error_points": {"mean": float(errors.mean()), "median": float(np.median(errors))},
        "spearman_seconds": float(spearmanr(targets[:, -1], held_out[:, -1])[0]),
    }


def table_of(scores: dict[str, Any]) -> list[list[str]]:
    """Rank correlations, a row a set of cells."""

    def row(name: str, cells: int, by_epochs: dict[str, float], top: float | None = None) -> list[str]:
        numbers = [by_epochs.get(str(e)) for e in EPOCHS] + [top]
        return [name, f"{cells:,}", *("–" if n is None else f"{n:.3f}" for n in numbers)]

    held_out = scores["held_out"]
    return [
        ["Spearman", "cells", *(f"{e} epochs" for e in EPOCHS), "108, top tenth"],
        row("held out", scores["cells"], held_out["spearman"], held_out["spearman_108_top_tenth"]),
        *(row(name, part["cells"], part["spearman"]) for name, part in scores["external"].items()),
    ]


def _external(final: Surrogate, space: Space, table: Table, others: Others) -> dict[str, Any]:
    """Spearman on cells that others measured and that the fit has not seen, by source and epochs."""
    report = {}
    for name, (rows, values) in others.items():
        new = ~np.isin(rows, table.rows)
        guess = final.predict(space, rows[new])[0]
        known = np.atleast_1d(np.isfinite(values[new]).all(0))
        report[name] = {
            "cells": int(new.sum()),
            "spearman": {
                str(e): float(spearmanr(values[new, i], guess[:, i])[0])
                for i, e in enumerate(EPOCHS)
                if known[i]
            },
        }
    return report


def _luck(final: Surrogate, space: Space, others: Others, noise: float) -> Floats:
    """Estimate the standard deviation of a repeat at EPOCHS, of `logged` accuracy.

    At 108 it is known from repeats. Elsewhere a single repeat misses the
    prediction with variance d² + n² and CLUE's mean of three with d² + n²/3.
    """
    rows, means = others["CLUE"]
    of_mean = np.diag(_covariance(logged(means) - final.predict(space, rows)[0]))
    of_one = np.diag(final.covariance)
    luck = np.sqrt(np.clip(1.5 * (of_one - of_mean), 0, of_one))
    return np.append(luck[:-1], noise)


Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


def _inputs(space: Space, rows: Ints, scale: Floats) -> Inputs:
    edges, labels = arrays(space, rows)
    seen = (features(space, rows)[0] - scale[0]) / scale[1]
    share = widths(edges, labels, 512) / 512
    edges_, share_, seen_ = (torch.as_tensor(v, dtype=torch.float32) for v in (edges, share, seen))
    return edges_, torch.as_tensor(labels, dtype=torch.long), share_, seen_


def _rows_of(inputs: Inputs, at: Ints | Tensor) -> Inputs:
    edges, labels, share, seen = inputs
    return edges[at], labels[at], share[at], seen[at]


def _fit_member(inputs: Inputs, wanted: Tensor, at: Ints, seed: int) -> CellNet:
    """One network on the rows `at`: Huber loss, AdamW, one cycle of the rate."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    net = CellNet().train()
    updates = PASSES * (len(at) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), PEAK_RATE, weight_decay=DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=updates + 1, pct_start=0.1)
    weights = torch.tensor(TARGET_WEIGHTS)
    for chosen in _batches(at):
        loss = nn.functional.smooth_l1_loss(
            net(*_rows_of(inputs, chosen)), wanted[chosen], beta=0.3, reduction="none"
        )
        optimiser.zero_grad()
        (loss * weights).mean().backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        rate.step()
    return net.eval()


def _batches(at: Ints) -> Iterator[Tensor]:
    for _ in range(PASSES):
        order = torch.from_numpy(at)[torch.randperm(len(at))]
        yield from (b for b in order.split(BATCH) if len(b) == BATCH)


@torch.no_grad()
def _run(member: CellNet, inputs: Inputs) -> Floats:
    """Standardised targets N×5, in pieces that fit the cache."""
    pieces = zip(*(x.split(8192) for x in inputs), strict=True)
    return np.concatenate([member(*piece).double().numpy() for piece in pieces])


def _scale(columns: npt.NDArray[Any]) -> Floats:
    """Median and standard deviation of every column, 2×C; a constant column gets a spread of one."""
    spread = columns.std(0)
    return np.stack([np.median(columns, 0), np.where(spread > 0, spread, 1)]).astype(np.float64)


def _covariance(residuals: Floats) -> Floats:
    """Of the residuals between their .5 % and 99.5 % quantiles, so that diverged trainings do not rule it."""
    low, high = np.quantile(residuals, (0.005, 0.995), 0)
    return np.asarray(np.cov(np.clip(residuals, low, high).T))


def _save(surrogate: Surrogate, scores: dict[str, Any], out: Path) -> None:
    state = {
        f"{k}.{name}": value.half().numpy()
        for k, member in enumerate(surrogate.members)
        for name, value in member.state_dict().items()
    }
    numbers = {
        "features": surrogate.scaling.features,
        "targets": surrogate.scaling.targets,
        "covariance": surrogate.covariance,
        "luck": surrogate.luck,
    }
    with replacing(file_for(out)) as part:
        save_file({**state, **numbers}, part)
    write_json(out.with_suffix(".json"), scores)
