"""Compare growing the batch with lowering the rate: the same curves in fewer updates.

    python -m training.evidence.growth --data ../shared/data --out docs/results/recipes

A NAS-Bench-101 cell on small CIFAR-10 pictures by SGD, momentum, Nesterov and
Adam, steps of a fifth at .3, .6 and .8 of ten epochs (as Smith et al. 2018,
arXiv 1711.00489, at 60, 120 and 160 of 200). Batch norm sees 32 samples
whatever the batch (their ghost batch norm). The ceiling is N/10 = 1,000.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from eval.results.host import describe_host
from eval.results.store import save_figure, write_json
from training.evidence.fit import Trial, options, run
from training.evidence.learners import PictureLearner
from training.recipe.schema import Decay, Phase, Raised

SEEDS, TUNING_SEED = (0, 1, 2), 100
EPOCHS, N, BATCH = 10, 10_000, 32
RATES = {
    "SGD": (0.05, 0.15, 0.5),
    "momentum": (0.01, 0.03, 0.1),
    "Nesterov": (0.01, 0.03, 0.1),
    "Adam": (1e-3, 3e-3, 1e-2),
}
OPTIMISERS = {
    "SGD": ("sgd", 0.0),
    "momentum": ("sgd", 0.9),
    "Nesterov": ("nesterov", 0.9),
    "Adam": ("adam", 0.9),
}
WAYS = ("decay", "growth")
LOSSES = {"loss": "validation loss", "train_loss": "training loss"}
VARIANTS: dict[str, dict[str, Any]] = {
    "hybrid": {"growth": True, "max_batch": 5 * BATCH},
    "growth, rate × 5": {"growth": True, "raised": Raised(lr_factor=5.0)},
    "growth, rate × 5, momentum .98": {"growth": True, "raised": Raised(lr_factor=5.0, momentum=0.98)},
}
"""Of momentum; the hybrid grows once and decays from there."""


def phase_of(optimiser: str, rate: float, **changed: Any) -> Phase:
    """Return the phase of the training with decaying rate, or with what is `changed` in it."""
    kind, momentum = OPTIMISERS[optimiser]
    steps = tuple(round(share * EPOCHS * N) for share in (0.3, 0.6, 0.8))
    decaying = Phase(
        name="experiment",
        samples=EPOCHS * N,
        batch=BATCH,
        micro_batch=BATCH,
        lr=rate,
        decay=Decay("step", factor=0.2, at_samples=steps),
        optimiser=kind,
        momentum=momentum,
    )
    return replace(decaying, **changed)


def experiment(data: Path, out: Path, jobs: int) -> dict[str, Any]:
    """Write OUT/growth.jsonl (every training), .json and .png."""
    train = partial(run, learn=partial(PictureLearner, data), out=out / "growth.jsonl", jobs=jobs)
    tuning = [Trial(name, phase_of(name, r), TUNING_SEED) for name, rates in RATES.items() for r in rates]
    rates: dict[str, float] = {}
    lowest: dict[str, float] = {}
    for line, trial in zip(train(tuning, title="tuning rates"), tuning, strict=True):
        loss = np.inf if line["diverged"] else line["loss"][-1]
        if loss < lowest.get(trial.row, np.inf):
            rates[trial.row], lowest[trial.row] = trial.phase.lr, loss
    wanted = {
        (name, way): phase_of(name, rates[name], growth=way == "growth") for name in RATES for way in WAYS
    }
    wanted |= {("momentum", way): phase_of("momentum", rates["momentum"], **c) for way, c in VARIANTS.items()}
    trials = [Trial(f"{n}|{way}", phase, seed) for (n, way), phase in wanted.items() for seed in SEEDS]
    found = train(trials, title="growing")
    document: dict[str, Any] = {
        "command": "python -m training.evidence.growth",
        "host": describe_host(),
        "rates": rates,
        "rate_on_edge": {name: on_edge(rate, RATES[name]) for name, rate in rates.items()},
        "rows": {f"{n}|{way}": _row([x for x in found if x["row"] == f"{n}|{way}"]) for n, way in wanted},
    }
    for name, row in document["rows"].items():
        row["apart"] = apart(row, document["rows"][f"{name.split('|')[0]}|decay"])
    document["table"] = table_of(document)
    write_json(out / "growth.json", document)
    draw(document, out / "growth.png")
    return document


def _row(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Curves of the seeds on common points (those of the longest batch decide how many there are)."""
    grid = np.arange(1, 21) * EPOCHS * N // 20
    curves = {
        key: [np.interp(grid, x["samples"], x[key]).round(4).tolist() for x in lines if not x["diverged"]]
        for key in ("train_loss", "loss", "accuracy")
    }
    finals = [0.0 if x["diverged"] else x["accuracy"][-1] for x in lines]
    seconds = [x["seconds"] for x in lines]
    return {"updates": lines[0]["updates"], "final": finals, "seconds": seconds, **curves}


def on_edge(rate: float, grid: tuple[float, ...]) -> str | None:
    """Which end of the grid the rate is: beyond it there may be a better one."""
    return {min(grid): "lowest", max(grid): "highest"}.get(rate)


def apart(row: dict[str, Any], decay: dict[str, Any]) -> dict[str, dict[str, float]] | None:
    """How far the mean curve of the seeds is from the decay's, by loss; None where a seed diverged.

    mean and largest are those of |Δ| over the curve, so that what is above does
    not cancel what is below; sd is the decay's seeds', mean of the curve.
    """
    if min(len(row["loss"]), len(decay["loss"])) < len(SEEDS):
        return None
    found = {}
    for key in LOSSES:
        delta = abs(np.mean(row[key], 0) - np.mean(decay[key], 0))
        spread = np.std(decay[key], 0, ddof=1)
        values = {"mean": delta.mean(), "largest": delta.max(), "sd": spread.mean()}
        found[key] = {name: round(float(value), 4) for name, value in values.items()}
    return found


def table_of(document: dict[str, Any]) -> list[list[str]]:
    """Tabulate the trainings: updates, accuracy, and how far the curves are from those of the decay."""
    measures = ("mean distance", "largest distance", "sd of seeds")
    differences = [f"{title}: {what}" for title in LOSSES.values() for what in measures]
    table = [["optimiser", "way", "updates", "accuracy, %", "training loss at the end", *differences]]
    for name, row in document["rows"].items():
        accuracy = 100 * np.array(row["final"])
        cells = [
            *name.split("|"),
            f"{row['updates']:,}",
            f"{accuracy.mean():.1f} ± {accuracy.std(ddof=1):.1f}",
        ]
        if row["apart"] is None:
            table.append([*cells, "diverged", *["–"] * len(differences)])
            continue
        train = np.array(row["train_loss"])[:, -1]
        figures = [f"{value:.3f}" for values in row["apart"].values() for value in values.values()]
        if name.endswith("|decay"):
            figures = [x if i % 3 == 2 else "–" for i, x in enumerate(figures)]
        table.append([*cells, f"{train.mean():.3f} ± {train.std(ddof=1):.3f}", *figures])
    return table


def draw(document: dict[str, Any], path: Path) -> None:
    """Training loss and validation accuracy against epochs, mean ± sd; a column an optimiser."""
    from matplotlib.figure import Figure

    figure = Figure((16, 9), layout="constrained")
    axes = figure.subplots(2, len(RATES), sharex="row")
    epochs = np.arange(1, 21) * EPOCHS / 20
    for column, optimiser in enumerate(RATES):
        for name, row in document["rows"].items():
            which, way = name.split("|")
            if which != optimiser or not row["loss"]:
                continue
            color = f"C{[*WAYS, *VARIANTS].index(way)}"
            for axis, key in ((axes[0, column], "train_loss"), (axes[1, column], "accuracy")):
                curves = np.array(row[key])
                mean, spread = curves.mean(0), curves.std(0, ddof=1)
                axis.fill_between(epochs, mean - spread, mean + spread, color=color, alpha=0.2, lw=0)
                axis.plot(epochs, mean, color=color, label=f"{way}: {row['updates']:,} updates")
        axes[0, column].set_title(optimiser)
        axes[0, column].legend(fontsize=8)
        axes[1, column].set_xlabel("epoch")
    axes[0, 0].set_ylabel("training loss")
    axes[1, 0].set_ylabel("validation accuracy")
    for axis in axes.flat:
        axis.grid(True, alpha=0.25)
    save_figure(figure, path, dpi=100)


if __name__ == "__main__":
    given = options(__doc__).parse_args()
    for line in experiment(given.data, given.out, given.jobs)["table"]:
        print(" | ".join(line))
