"""Searchers side by side on the benchmark: regret against simulated seconds.

    python app.py search compare --table ../shared/data/nasbench101/nasbench101.npz --out docs/results/nas

Seeds run side by side through joblib, so that a Ray or Dask backend spreads
them over a cluster by configuration only.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from rich.progress import track

from eval.results.host import describe_host
from eval.results.store import save_figure, write_json
from models.nas.raw_index import ILLEGAL, raw_index
from tracker.arrays import Floats
from tracker.errors import TrackerError
from training.nas.benchmark.landscape import Landscape
from training.nas.benchmark.table import EPOCHS
from training.nas.search.model_searchers import Bohb, Predictor, Smac, Tpe
from training.nas.search.searchers import (
    Hyperband,
    LocalSearch,
    RandomSearch,
    RegularisedEvolution,
    Reinforce,
    Searcher,
    random_cells,
)

SEARCHERS: dict[str, Callable[[np.random.Generator], Searcher]] = {
    "random": RandomSearch,
    "evolution": RegularisedEvolution,
    "local": LocalSearch,
    "reinforce": Reinforce,
    "hyperband": lambda rng: Hyperband(random_cells(rng)),
    "tpe": Tpe,
    "smac": Smac,
    "bohb": Bohb,
    "predictor": Predictor,
}
TITLES = {
    "random": "random search",
    "evolution": "regularised evolution",
    "local": "local search",
    "reinforce": "REINFORCE",
    "hyperband": "Hyperband",
    "tpe": "TPE",
    "smac": "SMAC",
    "bohb": "BOHB",
    "predictor": "predictor",
}
WITHOUT_MODEL = ("random", "evolution", "local", "reinforce", "hyperband")
GRID = np.logspace(3.5, 7, 71)
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


class Trace(NamedTuple):
    """When the incumbent changed, simulated seconds, and its noise-free regret in points of accuracy."""

    seconds: Floats
    regret: Floats
    asked: int


def search(name: str, landscape: Landscape, seconds: float, seed: int) -> Trace:
    """One run until the simulated seconds are spent.

    The incumbent is the cell with the highest accuracy seen at any budget; its
    regret is that of its noise-free value against the best of the landscape.
    """
    rng = np.random.default_rng(seed)
    searcher, row_of = SEARCHERS[name](rng), raw_index().row
    best = float(landscape.value[:, -1].max())
    spent, highest, asked = 0.0, -1.0, 0
    times, regrets = [0.0], [np.inf]
    while spent < seconds:
        raw, epochs = searcher.ask()
        asked += 1
        row = row_of(*raw)
        if row == ILLEGAL:
            searcher.tell(raw, epochs, 0.0)
            continue
        accuracy, cost = landscape.draw(row, EPOCHS.index(epochs), rng)
        spent += cost
        searcher.tell(raw, epochs, accuracy)
        if accuracy > highest:
            highest = accuracy
            times.append(spent)
            regrets.append(100 * (np.exp(-landscape.value.item(row, -1)) - np.exp(-best)))
    return Trace(np.array(times), np.array(regrets), asked)


def compare(
    landscape: Landscape, wanted: dict[str, tuple[int, float]], jobs: int, out: Path, source: str
) -> dict[str, Any]:
    """Run seeds of every searcher; writes OUT/compare.json and .png and returns the document.

    What the file already says of other searchers on the same benchmark is kept.

    Args:
        wanted: seeds and simulated seconds by searcher.
        source: what the landscape was made of, for the record.
    """
    unknown = sorted(set(wanted) - set(SEARCHERS))
    if unknown:
        raise TrackerError(f"search: got searcher {unknown[0]!r}, expected one of {', '.join(SEARCHERS)}")
    tasks = [(name, limit, seed) for name, (seeds, limit) in wanted.items() for seed in range(seeds)]
    work = Parallel(jobs, return_as="generator")(
        delayed(_timed)(name, landscape, limit, seed) for name, limit, seed in tasks
    )
    done = list(track(work, "searching", len(tasks), transient=True))
    record = {
        name: {
            "title": TITLES[name],
            "seeds": seeds,
            "limit_seconds": limit,
            "cpu_seconds": round(sum(t for n, _, t in done if n == name), 1),
            **_curves([trace for n, trace, _ in done if n == name], limit),
        }
        for name, (seeds, limit) in wanted.items()
    }
    best = float(landscape.accuracy().max())
    record = _earlier(out / "compare.json", source, best) | record
    document = {
        "command": "python app.py search compare",
        "source": source,
        "host": describe_host(),
        "best_accuracy": best,
        "grid_seconds": GRID.round(1).tolist(),
        "searchers": {name: record[name] for name in SEARCHERS if name in record},
    }
    document["table"] = table_of(document)
    write_json(out / "compare.json", document)
    draw(document, out / "compare.png")
    return document


def _timed(name: str, landscape: Landscape, limit: float, seed: int) -> tuple[str, Trace, float]:
    begun = time.process_time()
    return name, search(name, landscape, limit, seed), time.process_time() - begun


def _earlier(path: Path, source: str, best: float) -> dict[str, Any]:
    """Return what a file already says of searchers on the same benchmark."""
    if not path.is_file():
        return {}
    document = json.loads(path.read_text())
    same = document["source"] == source and document["best_accuracy"] == best
    return dict(document["searchers"]) if same else {}


def _curves(traces: list[Trace], limit: float) -> dict[str, Any]:
    """Quantiles of the regret over the seeds at every time of the grid within the limit."""
    grid = GRID[limit * 1.0001 >= GRID]
    regret = np.stack([t.regret[np.searchsorted(t.seconds, grid, "right") - 1] for t in traces])
    known = grid[np.isfinite(regret).all(0)]
    regret = regret[:, np.isfinite(regret).all(0)]
    return {
        "asked": int(np.median([t.asked for t in traces])),
        "from_seconds": float(known[0]),
        "quantiles": {str(q): np.quantile(regret, q, 0).round(4).tolist() for q in QUANTILES},
        "mean": regret.mean(0).round(4).tolist(),
        "standard_error": (regret.std(0, ddof=1) / np.sqrt(len(traces))).round(4).tolist(),
    }


def at(document: dict[str, Any], name: str, seconds: float, key: str = "mean") -> float | None:
    """Return a searcher's number at a time of the grid, None where its run did not reach."""
    row = document["searchers"][name]
    grid = np.array(document["grid_seconds"])
    first = int(np.argmin(abs(grid - row["from_seconds"])))
    values = row["quantiles"][key] if key in row["quantiles"] else row[key]
    place = int(np.argmin(abs(grid - seconds))) - first
    return values[place] if 0 <= place < len(values) else None


def table_of(document: dict[str, Any]) -> list[list[str]]:
    """Tabulate mean regret in points ± its standard error at 10⁵, 10⁶ and 10⁷ seconds, a row per searcher."""
    times = {"10⁵ s": 1e5, "10⁶ s": 1e6, "10⁷ s": 1e7}
    rows = [["searcher", "seeds", "cells asked", *times, "CPU s a seed"]]
    for name, row in document["searchers"].items():
        cells = []
        for t in times.values():
            mean, error = at(document, name, t), at(document, name, t, "standard_error")
            cells.append("–" if mean is None else f"{mean:.2f} ± {error:.2f}")
        each = row["cpu_seconds"] / row["seeds"]
        rows.append([row["title"], str(row["seeds"]), f"{row['asked']:,}", *cells, f"{each:.2f}"])
    return rows


def draw(document: dict[str, Any], path: Path) -> None:
    """Median regret and the middle half of the seeds against simulated seconds; right: the common range."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import StrMethodFormatter

    figure = Figure((12, 5), layout="constrained")
    whole, common = figure.subplots(1, 2)
    rows = document["searchers"].values()
    shortest = min(row["limit_seconds"] for row in rows)
    grid = np.array(document["grid_seconds"])
    for axis, limit in ((whole, grid[-1]), (common, shortest)):
        for k, row in enumerate(rows):
            x = grid[grid >= row["from_seconds"] * 0.999][: len(row["mean"])]
            keep = x <= limit * 1.0001
            low, middle, high = (np.array(row["quantiles"][q])[keep] for q in ("0.25", "0.5", "0.75"))
            axis.fill_between(x[keep], low, high, color=f"C{k}", alpha=0.12, linewidth=0)
            axis.plot(x[keep], middle, color=f"C{k}", label=f"{row['title']} ({row['seeds']})")
        axis.set(xscale="log", yscale="log", xlabel="simulated seconds of training")
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.yaxis.set_minor_formatter(StrMethodFormatter("{x:g}"))
        axis.grid(True, which="both", alpha=0.25)
    whole.set(ylabel="validation regret, points of accuracy", title="all seeds to their limit")
    common.set(title="the range that all reached")
    whole.legend(fontsize=8)
    save_figure(figure, path)
