"""Whether our own trainings rank cells as the table does, and what a realisation is worth.

    python app.py search agree --table ../shared/data/nasbench101/nasbench101.npz --out docs/results/nas

Rank correlations come with an interval from resampling: cells for CIFAR-10,
cells and val's source videos for trackers. "Not resolved" is said where the
interval holds 0.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from eval.results.host import describe_host
from eval.results.store import save_figure, write_json
from tracker.arrays import Floats, Ints
from training.run.jobs import read_lines

RESAMPLINGS = 2000
INTERVAL = (0.025, 0.975)


def agree(
    accuracy: Floats, measured: Ints, own: Path, trackers: Path, designs: Path, out: Path
) -> dict[str, Any]:
    """Write OUT/agree.json, fit.json and agree.png and return the first.

    Args:
        accuracy: what the table says of every cell of the space, the surrogate where it says nothing.
        measured: rows that the table has.
        own, trackers: lines of `search measure`, on CIFAR-10 and as trackers, one network each;
            designs: tracker lines of other realisations of some of those cells.
    """
    cifar, tracked = (cells_of(read_lines(file), accuracy, measured) for file in (own, trackers))
    document: dict[str, Any] = {
        "command": "python app.py search agree",
        "host": describe_host(),
        "cifar": {**cifar, **agreement(cifar)},
        "tracker": {**tracked, **agreement(tracked), **spread_of_seeds(tracked)},
        "realisations": realisations(read_lines(trackers), read_lines(designs)),
    }
    document["table"] = table_of(document)
    write_json(out / "agree.json", document)
    fitted = {
        "command": document["command"],
        "host": document["host"],
        **fit(read_lines(trackers) + read_lines(designs), accuracy),
    }
    write_json(out / "fit.json", {**fitted, "table": table_of_fit(fitted)})
    draw(document, out / "agree.png")
    return document


def cells_of(lines: list[dict[str, Any]], accuracy: Floats, measured: Ints) -> dict[str, Any]:
    """By cell: what the table says, and our repeats; of trackers also the loss, and AO by video."""
    by_row: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_row[line["row"]].append(line)
    rows = sorted(by_row)
    return {
        "network": lines[0]["network"],
        "cpu": lines[0]["cpu"],
        "rows": rows,
        "published": [round(float(accuracy[row]), 5) for row in rows],
        "beats": [round(float(share), 4) for share in beaten(np.sort(accuracy), accuracy[rows])],
        "measured": np.isin(rows, measured).tolist(),
        "ours": [[line["accuracy"] for line in by_row[row]] for row in rows],
        **(
            {
                "losses": [[line["loss"] for line in by_row[row]] for row in rows],
                "videos": [_mean_by_video(by_row[row]) for row in rows],
            }
            if "loss" in lines[0]
            else {}
        ),
    }


def _mean_by_video(lines: list[dict[str, Any]]) -> dict[str, float]:
    videos = lines[0]["videos"]
    return {video: float(np.mean([line["videos"][video] for line in lines])) for video in videos}


def agreement(cells: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """Spearman of published with our accuracy (and with the loss, where there is one), with its interval."""
    published = np.array(cells["published"])
    ours = np.array([np.mean(values) for values in cells["ours"]])
    videos = np.array([list(v.values()) for v in cells["videos"]]) if "videos" in cells else ours[:, None]
    found = {"accuracy": _resampled(published, videos, seed)}
    if "losses" in cells:
        losses = -np.array([np.mean(values) for values in cells["losses"]])
        found["minus_loss"] = _resampled(published, losses[:, None], seed)
    return {"spearman": found}


def _resampled(published: Floats, columns: Floats, seed: int) -> dict[str, Any]:
    """Spearman of `published` N with the mean of the columns N×V; cells and columns are drawn anew."""
    rng = np.random.default_rng(seed)
    cells, width = columns.shape
    drawn = []
    for _ in range(RESAMPLINGS):
        chosen, seen = rng.integers(0, cells, cells), rng.integers(0, width, width)
        values = columns[np.ix_(chosen, seen)].mean(1)
        if np.ptp(published[chosen]) > 0 and np.ptp(values) > 0:
            drawn.append(spearmanr(published[chosen], values)[0])
    low, high = np.quantile(drawn, INTERVAL)
    rho = float(spearmanr(published, columns.mean(1))[0])
    resolved = bool(low > 0 or high < 0)
    return {"rho": round(rho, 3), "interval": [round(low, 3), round(high, 3)], "resolved": resolved}


def spread_of_seeds(cells: dict[str, Any]) -> dict[str, Any]:
    """How far the seeds of one cell lie apart, against how far the cells do; accuracy, and loss."""

    def pooled(values: list[list[float]]) -> dict[str, float]:
        several = [v for v in values if len(v) > 1]
        seeds = np.sqrt(np.mean([np.var(v, ddof=1) for v in several]))
        return {
            "cells_with_seeds": len(several),
            "sd_of_seeds": round(float(seeds), 5),
            "sd_of_cells": round(float(np.std([v[0] for v in values], ddof=1)), 5),
        }

    return {"noise": {"accuracy": pooled(cells["ours"]), "loss": pooled(cells["losses"])}}


def realisations(plain: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each other realisation against the plain one of the same cell and seed: differences of AO and loss."""
    base = {(line["row"], line["repeat"]): line for line in plain}
    groups: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = defaultdict(list)
    for line in others:
        if (line["row"], line["repeat"]) in base:
            same = base[line["row"], line["repeat"]]
            changed = {k: v for k, v in line["network"].items() if v != same["network"][k]}
            groups[json.dumps(changed, sort_keys=True)].append((line, same))
    return [
        {
            "change": json.loads(change),
            "trainings": len(pairs),
            **{
                key: {
                    "mean_difference": round(float(np.mean(gaps)), 5),
                    "standard_error": round(float(np.std(gaps, ddof=1) / np.sqrt(len(gaps))), 5)
                    if len(gaps) > 1
                    else None,
                }
                for key in ("accuracy", "loss")
                for gaps in [[line[key] - same[key] for line, same in pairs]]
            },
        }
        for change, pairs in groups.items()
    ]


def fit(lines: list[dict[str, Any]], accuracy: Floats) -> dict[str, Any]:
    """Least squares of the tracking loss and of AO on what designs differ in: coefficient, standard error."""
    shares = beaten(np.sort(accuracy), np.array([accuracy[line["row"]] for line in lines]))
    seen = [explained(share, line["network"]) for share, line in zip(shares.tolist(), lines, strict=True)]
    names = ["constant", *seen[0]]
    x = np.array([[1.0, *numbers.values()] for numbers in seen])
    found: dict[str, Any] = {"trainings": len(lines)}
    for key in ("loss", "accuracy"):
        y = np.array([line[key] for line in lines])
        beta = np.linalg.lstsq(x, y, rcond=None)[0]
        variance = ((y - x @ beta) ** 2).sum() / (len(y) - np.linalg.matrix_rank(x))
        error = np.sqrt(np.diag(np.linalg.pinv(x.T @ x)) * variance)
        found[key] = {
            name: [round(float(b), 5), round(float(e), 5)]
            for name, b, e in zip(names, beta, error, strict=True)
        }
    return found


def beaten(ascending: Floats, accuracy: Floats) -> Floats:
    """Share of all cells that are below each accuracy, N; by ranks, a diverged training is no outlier."""
    return np.searchsorted(ascending, accuracy) / len(ascending)


def explained(share: float, network: dict[str, Any]) -> dict[str, float]:
    """Describe a design in the fit's numbers: share of cells that its cell beats; of `depths` the mean."""
    return {
        "cell": share,
        "scale, doublings": float(np.log2(network["scale"])),
        "cells a stage": float(np.mean(network["depths"])),
        **{name: float(network[name]) for name in ("early", "separable", "squeeze")},
    }


def predicted_loss(share: float, network: dict[str, Any], fitted: dict[str, Any]) -> float:
    """Return what `fit` expects a design to lose."""
    numbers = {"constant": 1.0, **explained(share, network)}
    return sum(float(fitted["loss"][name][0]) * value for name, value in numbers.items())


def table_of(document: dict[str, Any]) -> list[list[str]]:
    """Tabulate the comparisons, one a row."""
    rows = [["published accuracy against", "cells", "trainings", "Spearman", "95 % interval", "resolved"]]
    for kind, name, key in (
        ("cifar", "our accuracy on CIFAR-10", "accuracy"),
        ("tracker", "AO on val as a tracker", "accuracy"),
        ("tracker", "tracking loss (minus)", "minus_loss"),
    ):
        part = document[kind]
        found = part["spearman"][key]
        trainings = sum(len(values) for values in part["ours"])
        interval = "{:+.2f} … {:+.2f}".format(*found["interval"])
        verdict = "yes" if found["resolved"] else "no"
        rows.append([name, str(len(part["rows"])), str(trainings), f"{found['rho']:+.2f}", interval, verdict])
    return rows


def table_of_fit(fitted: dict[str, Any]) -> list[list[str]]:
    """Tabulate what one more of each number of `explained` changes."""
    rows = [["one more of", "tracking loss", "AO on val"]]
    words = {"cell": "share of all cells that the cell beats", "scale, doublings": "doubling of the widths"}
    for name in fitted["loss"]:
        changes = ["{:+.3f} ± {:.3f}".format(*fitted[key][name]) for key in ("loss", "accuracy")]
        rows.append([words.get(name, name), *changes])
    return rows


def draw(document: dict[str, Any], path: Path) -> None:
    """Rank of the published accuracy against ours: CIFAR-10, AO, tracking loss; a point a training."""
    from matplotlib.figure import Figure

    figure = Figure((14, 4.4), layout="constrained")
    for axis, (kind, values, what, key) in zip(
        figure.subplots(1, 3),
        (
            ("cifar", "ours", "accuracy on CIFAR-10, ours", "accuracy"),
            ("tracker", "ours", "AO on val as a tracker", "accuracy"),
            ("tracker", "losses", "tracking loss", "minus_loss"),
        ),
        strict=True,
    ):
        part = document[kind]
        for x, seeds in zip(part["beats"], part[values], strict=True):
            axis.plot([100 * x] * len(seeds), seeds, "o-", color="C0", markersize=4, linewidth=0.8)
        rho = part["spearman"][key]
        axis.set(xlabel="cells of the space that it beats, %", ylabel=what)
        axis.set_title("Spearman {:+.2f} ({:+.2f} … {:+.2f})".format(rho["rho"], *rho["interval"]))
        axis.grid(True, alpha=0.25)
    save_figure(figure, path)
