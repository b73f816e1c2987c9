"""What the data set as a whole says: distributions, what operations and shapes are worth, locality, budgets.

    python app.py search analyse --table ../shared/data/nasbench101/nasbench101.npz --out docs/results/nas

After section 4 of Ying et al. 2019, arXiv 1902.09635. Distributions and
effects are of the measured cells; replacements and walks need neighbours,
which are mostly unmeasured, and use the sampled noise-free values.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from eval.results.host import describe_host
from eval.results.store import save_figure, write_json
from models.cell_spec import OPS
from models.nas.features import features
from models.nas.raw_index import ILLEGAL, INTERIOR, raw_index
from models.nas.space import Space
from tracker.arrays import Floats
from training.nas.benchmark.landscape import Landscape, as_published
from training.nas.benchmark.table import EPOCHS, Table
from training.nas.search.searchers import PAIRS, POWERS, SHIFTED, random_cells

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SHAPES = {
    "depth": "interior vertices on the longest path",
    "width": "vertices that feed the output",
    "edges": "edges",
    **{op: f"number of {op}" for op in OPS},
}
LAGS, WALKS, STEPS = 12, 60, 2000
SHORT = {op: op.removesuffix("-bn-relu") for op in OPS}


def analyse(table: Table, landscape: Landscape, out: Path) -> dict[str, Any]:
    """Write OUT/analyse.json and analyse.png and return the document."""
    space, rows = table.space, table.rows
    seen, names = features(space, rows)
    best = table.as_published()[:, -1]
    columns = {name: seen[:, names.index(name)].astype(int) for name in ("depth", "edges", *OPS)}
    columns["width"] = seen[:, names.index("output fan-in")].astype(int)
    seconds = np.nanmean(table.seconds[:, -1], 1)
    parameters = np.exp(seen[:, names.index("log parameters")].astype(float))
    document = {
        "command": "python app.py search analyse",
        "host": describe_host(),
        "measured_cells": len(rows),
        "quantiles": {
            "at": QUANTILES,
            **{
                f"accuracy after {e}": np.quantile(table.as_published()[:, i], QUANTILES).round(4).tolist()
                for i, e in enumerate(EPOCHS)
            },
            "seconds of 108": np.quantile(seconds, QUANTILES).round(0).tolist(),
            "parameters": np.quantile(parameters, QUANTILES).round(0).tolist(),
        },
        "mean_accuracy_by": {
            shape: {
                str(n): [round(float(best[columns[shape] == n].mean()), 4), int((columns[shape] == n).sum())]
                for n in np.unique(columns[shape])
            }
            for shape in SHAPES
        },
        "spearman_with_accuracy": {
            "log parameters": round(float(spearmanr(parameters, best)[0]), 3),
            "seconds of 108": round(float(spearmanr(seconds, best)[0]), 3),
            **{shape: round(float(spearmanr(columns[shape], best)[0]), 3) for shape in SHAPES},
        },
        "spearman_between_budgets": {
            "epochs": EPOCHS,
            "measured": spearmanr(table.as_published())[0].round(3).tolist(),
            "drawn for the same cells": spearmanr(as_published(landscape, rows))[0].round(3).tolist(),
        },
        "replacement_points": replacements(space, landscape),
        "autocorrelation": walk_autocorrelation(landscape).round(4).tolist(),
    }
    document["table"] = [["accuracy after 108 epochs against", "Spearman"]] + [
        [SHAPES.get(what, what), f"{rho:+.2f}"] for what, rho in document["spearman_with_accuracy"].items()
    ]
    write_json(out / "analyse.json", document)
    draw(document, table, seconds, parameters, out / "analyse.png")
    return document


def replacements(space: Space, landscape: Landscape) -> dict[str, dict[str, float]]:
    """Mean change of noise-free accuracy, in points, when one operation of a cell becomes another.

    Over all cells of seven vertices and all places; both cells are of the same graph.
    """
    accuracy = 100 * landscape.accuracy()
    rows = np.flatnonzero(space.vertices == INTERIOR + 2)
    adj, ops = space.adj[rows], space.ops[rows].astype(np.int64)
    sums = np.zeros((len(OPS), len(OPS)))
    counts = np.zeros((len(OPS), len(OPS)))
    for power in POWERS:
        old = ops // power % len(OPS)
        for shift in range(1, len(OPS)):
            new = (old + shift) % len(OPS)
            there = raw_index().rows(adj, ops + (new - old) * power)
            np.add.at(sums, (old, new), accuracy[there] - accuracy[rows])
            np.add.at(counts, (old, new), 1)
    return {
        SHORT[a]: {SHORT[b]: round(float(sums[i, j] / counts[i, j]), 3) for j, b in enumerate(OPS) if j != i}
        for i, a in enumerate(OPS)
    }


def walk_autocorrelation(landscape: Landscape, seed: int = 0) -> Floats:
    """Correlation of the accuracy at two places of a random walk, by the steps between them, 0 … LAGS.

    A step flips one edge or changes one operation of the raw cell; steps that
    are illegal, or that pruning undoes, are drawn again.
    """
    rng, row_of = np.random.default_rng(seed), raw_index().row
    accuracy = landscape.accuracy()
    cells = random_cells(rng)
    walks = np.empty((WALKS, STEPS))
    edits = PAIRS + 2 * INTERIOR
    for walk in walks:
        adj, ops = next(cells)
        row = row_of(adj, ops)
        for t in range(STEPS):
            walk[t] = accuracy[row]
            while True:
                edit = int(rng.integers(edits))
                place, shift = divmod(edit - PAIRS, 2)
                new = (
                    (adj ^ 1 << edit, ops)
                    if edit < PAIRS
                    else (adj, SHIFTED[ops][(shift + 1) * int(POWERS[place])])
                )
                there = row_of(*new)
                if there not in (ILLEGAL, row):
                    break
            (adj, ops), row = new, there
    walks -= walks.mean()
    lagged = [(walks[:, : STEPS - lag] * walks[:, lag:]).mean() for lag in range(LAGS + 1)]
    return np.asarray(lagged) / float(walks.var())


def draw(document: dict[str, Any], table: Table, seconds: Floats, parameters: Floats, path: Path) -> None:
    """Six panels: accuracies, cost, shapes, operations, replacement, locality."""
    from matplotlib.figure import Figure

    figure = Figure((14, 8), layout="constrained")
    ((a, b, c), (d, e, f)) = figure.subplots(2, 3)
    for i, epochs in enumerate(EPOCHS):
        a.hist(
            table.as_published()[:, i],
            100,
            (0.1, 1),
            histtype="step",
            label=f"{epochs} epochs",
            color=f"C{i}",
        )
    a.set(
        xlabel="validation accuracy",
        ylabel="cells",
        title="four trainings of every measured cell",
        yscale="log",
    )
    a.legend(fontsize=8)
    points = b.scatter(
        parameters, 100 * table.as_published()[:, -1], 2, seconds, cmap="viridis", rasterized=True
    )
    b.set(
        xscale="log",
        ylim=(80, 95.5),
        xlabel="parameters",
        ylabel="accuracy after 108, %",
        title="size and time",
    )
    figure.colorbar(points, ax=b, label="seconds of training")
    for axis, shapes, title in ((c, ("depth", "width", "edges"), "shape"), (d, OPS, "operations")):
        for shape in shapes:
            rows = document["mean_accuracy_by"][shape]
            kept = {int(n): 100 * mean for n, (mean, count) in rows.items() if count >= 30}
            axis.plot(list(kept), list(kept.values()), "o-", label=SHAPES[shape])
        axis.set(xlabel="how many", ylabel="mean accuracy after 108, %", title=title)
        axis.legend(fontsize=8)
    changes = document["replacement_points"]
    names = list(changes)
    grid = [[changes[x].get(y, np.nan) for y in names] for x in names]
    e.imshow(grid, cmap="RdBu", vmin=-1.5, vmax=1.5)
    for i, row in enumerate(grid):
        for j, value in enumerate(row):
            if np.isfinite(value):
                e.text(
                    j, i, f"{value:+.2f}", ha="center", va="center", color="w" if abs(value) > 0.8 else "k"
                )
    e.set(
        xticks=range(3),
        yticks=range(3),
        title="replacing one operation, points",
        xlabel="by",
        ylabel="instead of",
    )
    e.set_xticklabels(names)
    e.set_yticklabels(names)
    f.plot(document["autocorrelation"], "o-")
    f.axhline(0, color="grey", linewidth=0.8)
    f.set(
        xlabel="steps between two cells of a walk", ylabel="correlation of their accuracy", title="locality"
    )
    save_figure(figure, path, dpi=100)
