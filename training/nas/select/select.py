"""Cells, widths, depths, strides and realisations of the tracking backbone, selected by measured latency.

    python app.py search select --budget 5 --table nasbench101.npz --out docs/results/nas/by_table
    python app.py search select --budget 5 --table nasbench101.npz --fit docs/results/nas/fit.json --out …

Before anything was trained, three things are weighed, and none bought with
another: the accuracy of the cell in the table, the features that the design
computes for a frame, and the milliseconds of its four stages. With the fit to
our own trainings it is the loss that they let expect, and the milliseconds;
the design that is expected to lose least within the budget is then chosen. A
design that another equals or beats in all is not on the front. The search
starts from cells that no smaller one of the whole space beats in accuracy,
and from random ones; parents are drawn from the front within the budget,
children differ from them in one thing.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from scipy.stats import spearmanr

from eval.results.store import save_figure, write_json
from models.nas.features import parameters
from models.nas.space import Space, enumerate_space
from models.network import NetworkSpec
from tracker.arrays import Floats
from training.nas.measure.agree import beaten, predicted_loss
from training.nas.search.design import Design, mutated, random_design
from training.nas.search.searchers import Mutations
from training.nas.select.latency import StageCost, StageTimes

STARTERS = 60
ROWS_OF_TABLE = 12


@dataclass(frozen=True)
class Weighed:
    """A design, the accuracy of its cell (0 … 1), what its stages cost, and what speaks for it."""

    design: Design
    accuracy: float
    stages: tuple[StageCost, ...]
    merits: tuple[float, ...]

    @property
    def ms(self) -> float:
        return 1e3 * sum(stage.seconds for stage in self.stages)

    @property
    def mmacs(self) -> float:
        return sum(stage.macs for stage in self.stages) / 1e6


Merits = Callable[[Design, float], tuple[float, ...]]


def accuracy_and_features(design: Design, accuracy: float) -> tuple[float, ...]:
    """Return the merits of a design before anything was trained: accuracy of its cell, and features."""
    return accuracy, design.features()


def expected(fitted: dict[str, Any], accuracy: Floats) -> Merits:
    """Return the merits by training.nas.measure.agree.fit; `accuracy`: of every cell of the space."""
    ascending = np.sort(accuracy)

    def merits(design: Design, reached: float) -> tuple[float, ...]:
        share = float(beaten(ascending, np.array(reached)))
        return (-predicted_loss(share, asdict(design), fitted),)

    return merits


def explore(
    accuracy: Floats,
    times: StageTimes,
    budget_ms: float,
    evaluations: int,
    merits: Merits = accuracy_and_features,
    seed: int = 0,
) -> list[Weighed]:
    """Weigh `evaluations` designs, most of them children of the front within the budget.

    Args:
        accuracy: of every cell of the space at 108 epochs, by row.
        times: measured stages; saved as the search goes on.
    """
    rng = np.random.default_rng(seed)
    mutations, space = Mutations(rng), enumerate_space()
    small = small_and_accurate(accuracy, space)
    weighed: dict[NetworkSpec, Weighed] = {}
    for count in track(range(evaluations), "weighing designs", transient=True):
        near = [w for w in front(list(weighed.values())) if w.ms <= budget_ms]
        if count >= STARTERS and near:
            design = mutated(near[int(rng.integers(len(near)))].design, mutations, rng)
        else:
            design = random_design(rng, small if count % 2 else ())
        network = design.network(space)
        if network not in weighed:
            reached = float(accuracy[design.row])
            speaks = merits(design, reached)
            weighed[network] = Weighed(design, reached, tuple(times.of(network)), speaks)
        if count % 20 == 0:
            times.save()
    times.save()
    return list(weighed.values())


def small_and_accurate(accuracy: Floats, space: Space) -> list[int]:
    """Rows of the cells than which none with as few parameters is more accurate."""
    order = np.lexsort((-accuracy, parameters(space, np.arange(len(space)))))
    best = np.maximum.accumulate(accuracy[order])
    return [int(row) for row in order[np.flatnonzero(np.diff(best, prepend=-1.0) > 0)]]


def front(weighed: Sequence[Weighed]) -> list[Weighed]:
    """Those that no other equals or beats in every merit and in milliseconds at once."""
    if not weighed:
        return []
    goods = np.array([(*w.merits, -w.ms) for w in weighed])
    as_good = (goods[:, None] >= goods[None]).all(2)
    better = as_good & (goods[:, None] > goods[None]).any(2)
    dominated = np.atleast_1d(better.any(0))
    return [w for w, worse in zip(weighed, dominated, strict=True) if not worse]


def document_of(
    weighed: list[Weighed], budget_ms: float, source: str, host: dict[str, Any]
) -> dict[str, Any]:
    """Front, the best design within the budget where one merit decides, and what MACs say of time."""
    space = enumerate_space()
    kept = sorted(front(weighed), key=lambda w: w.ms)
    stages = list({stage for w in weighed for stage in w.stages})
    within = [w for w in kept if w.ms <= budget_ms and len(w.merits) == 1]
    chosen = {"chosen": described(max(within, key=lambda w: w.merits), space)} if within else {}
    document = {
        **chosen,
        "command": "python app.py search select",
        "source": source,
        "host": host,
        "budget_ms": budget_ms,
        "weighed": len(weighed),
        "front": [described(w, space) for w in kept],
        "macs_against_ms": macs_against_ms(stages, weighed),
    }
    return {**document, "table": table_of(document)}


def table_of(document: dict[str, Any]) -> list[list[str]]:
    """Tabulate some of the front in order of time, the selected design among them."""
    kept, chosen = document["front"], document.get("chosen")
    some = {int(i) for i in np.linspace(0, len(kept) - 1, ROWS_OF_TABLE).round()}
    shown = [e for i, e in enumerate(kept) if i in some or e == chosen]
    rows = [["cell", "accuracy, %", "widths ×", "cells a stage", "realised", "ms", "MMAC", ""]]
    for e in shown:
        how = ["separable" if e["separable"] else "dense"]
        how += [word for word, key in (("squeezed", "squeeze"), ("early", "early")) if e[key]]
        depths, mark = " ".join(map(str, e["depths"])), "chosen" if e == chosen else ""
        numbers = [f"{100 * e['accuracy']:.2f}", f"{e['scale']:g}", depths, ", ".join(how)]
        rows.append([str(e["row"]), *numbers, f"{e['total_ms']:.2f}", f"{e['mmacs']:.0f}", mark])
    return rows


def described(weighed: Weighed, space: Space) -> dict[str, Any]:
    """Return a design as JSON."""
    design = weighed.design
    return {
        **asdict(design),
        "raw": list(design.raw),
        "row": design.row,
        "hash": space[design.row].hash(),
        "accuracy": round(weighed.accuracy, 5),
        "features": design.features(),
        "merits": [round(merit, 5) for merit in weighed.merits],
        "ms": [round(1e3 * stage.seconds, 4) for stage in weighed.stages],
        "total_ms": round(weighed.ms, 4),
        "mmacs": round(weighed.mmacs, 2),
    }


def macs_against_ms(stages: list[StageCost], weighed: list[Weighed]) -> dict[str, Any]:
    """Spearman, and how far apart stages and designs of about the same MACs are in time."""
    of_stages = np.array([(s.macs / 1e6, 1e3 * s.seconds) for s in stages])
    of_designs = np.array([(w.mmacs, w.ms) for w in weighed])
    return {
        "spearman_of_stages": round(float(spearmanr(*of_stages.T)[0]), 3),
        "spearman_of_designs": round(float(spearmanr(*of_designs.T)[0]), 3),
        "gmac_per_s_of_stages": {
            str(q): round(float(np.quantile(of_stages[:, 0] / of_stages[:, 1], q)), 1)
            for q in (0.05, 0.25, 0.5, 0.75, 0.95)
        },
        "slowest_over_fastest_at_equal_macs": round(_spread_at_equal(of_designs), 2),
    }


def _spread_at_equal(points: Floats, tolerance: float = 0.05) -> float:
    """Median over designs of the largest ratio of ms among those within `tolerance` of its MACs."""
    ratios = []
    for macs, _ in points:
        near = points[abs(points[:, 0] / macs - 1) <= tolerance, 1]
        ratios.append(near.max() / near.min())
    return float(np.median(ratios))


def write(document: dict[str, Any], weighed: list[Weighed], out: Path) -> None:
    """OUT/select.json and select.png."""
    write_json(out / "select.json", document)
    draw(document, weighed, out / "select.png")


def draw(document: dict[str, Any], weighed: list[Weighed], path: Path) -> None:
    """Left: the first merit against time, the front in colour; right: MACs against time."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure((12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    by_fit = len(weighed[0].merits) == 1
    kept = document["front"]
    left.scatter([w.ms for w in weighed], [w.merits[0] for w in weighed], 8, "#bbbbbb", label="weighed")
    points = left.scatter(
        [e["total_ms"] for e in kept],
        [e["merits"][0] for e in kept],
        26,
        [100 * e["accuracy"] if by_fit else e["features"] / 1e3 for e in kept],
        cmap="viridis",
        label="front",
    )
    if "chosen" in document:
        chosen = document["chosen"]
        left.plot(chosen["total_ms"], chosen["merits"][0], "*", color="red", markersize=14, label="chosen")
    figure.colorbar(
        points, ax=left, label="accuracy of the cell, %" if by_fit else "features of a frame, thousands"
    )
    left.axvline(document["budget_ms"], color="k", linestyle="--", linewidth=0.8, label="budget")
    low, high = (most(e["merits"][0] for e in kept) for most in (min, max))
    left.set(
        xscale="log",
        ylim=(low - 0.1 * (high - low), high + 0.1 * (high - low)),
        xlabel="ms of four stages, one thread",
        ylabel="expected tracking loss, minus" if by_fit else "accuracy of the cell",
        title="what is weighed",
    )
    left.legend(fontsize=8, loc="lower right")
    for separable, colour, name in ((False, "C0", "dense 3×3"), (True, "C1", "separable 3×3")):
        part = [w for w in weighed if w.design.separable == separable]
        right.scatter([w.mmacs for w in part], [w.ms for w in part], 10, colour, label=name)
    right.set(xscale="log", yscale="log", xlabel="MMAC a frame", ylabel="ms", title="MACs are not time")
    right.grid(True, which="both", alpha=0.25)
    right.legend(fontsize=8)
    for axis in (left.xaxis, right.xaxis, right.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    save_figure(figure, path)
