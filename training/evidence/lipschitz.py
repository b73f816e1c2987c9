"""Why the warm-up grows with the batch: how fast the gradient turns along itself, as training goes on.

    python -m training.evidence.lipschitz --data ../shared/data --out docs/results/recipes --rate 1.6

The local Lipschitz constant of the gradient ∇f along its own direction ĝ,

    L(w) = ‖∇f(w + ε ĝ) − ∇f(w)‖ / ε,

of the same 256 samples of the text task, at every batch under LEGW and under
√k with a fixed warm-up. You et al. 2019, arXiv 1901.08256, say that it peaks early and that the
peak moves to later samples as the batch grows, so that the warm-up has to.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eval.results.host import describe_host
from eval.results.store import save_figure, write_json
from tracker.arrays import Floats
from training.evidence.batch_rules import BASE_BATCH, SEEDS, phase_of, tasks
from training.evidence.fit import Learner, Trial, options, run
from training.evidence.learners import TextLearner
from training.recipe.schema import Phase

PROBED, STEP = 256, 1e-2
COLUMNS = {
    "peak_samples": "after samples",
    "peak_updates": "after updates",
    "peak_samples_by_median": "check: samples by running median",
}
RULES = {"legw": "LEGW", "sqrt": "√k, fixed warm-up"}


def local_lipschitz(learner: Learner) -> float:
    """L at the weights as they are; leaves weights and gradients as they were."""
    rows = np.arange(PROBED)
    parameters = list(learner.module.parameters())
    before = [p.detach().clone() for p in parameters]
    first = _gradient(learner, parameters, rows)
    norm = torch.sqrt(sum((g.square().sum() for g in first), torch.zeros(())))
    with torch.no_grad():
        for p, g in zip(parameters, first, strict=True):
            p.add_(g, alpha=float(STEP / norm))
    second = _gradient(learner, parameters, rows)
    with torch.no_grad():
        for p, kept in zip(parameters, before, strict=True):
            p.copy_(kept)
    turned = sum(((b - a).square().sum() for a, b in zip(first, second, strict=True)), torch.zeros(()))
    return float(torch.sqrt(turned) / STEP)


def _gradient(learner: Learner, parameters: list[torch.nn.Parameter], rows: Any) -> tuple[Tensor, ...]:
    return torch.autograd.grad(learner.loss(rows), parameters)


def early_marks(phase: Phase) -> list[int]:
    """Before and after every update of the first 512 samples or ten batches, then a quarter further each."""
    dense = min(max(512, 10 * phase.batch), phase.samples)
    marks, mark = list(range(0, dense + 1, phase.batch)), 1.25 * dense
    while mark < phase.samples:
        marks.append(round(mark))
        mark *= 1.25
    return [*marks, phase.samples]


def experiment(data: Path, out: Path, rate: float, jobs: int) -> dict[str, Any]:
    """Write OUT/lipschitz.jsonl (every training), .json and .png."""
    task = tasks(data)["text"]
    trials = [
        Trial(rule, phase_of(task.samples, k * BASE_BATCH, rate, rule), seed)
        for rule in RULES
        for k in task.multiples
        for seed in SEEDS
    ]
    found = run(trials, TextLearner, out / "lipschitz.jsonl", jobs, "probing", early_marks, local_lipschitz)
    document = {
        "command": "python -m training.evidence.lipschitz",
        "host": describe_host(),
        "base_rate": rate,
        "rules": {rule: by_batch([line for line in found if line["row"] == rule]) for rule in RULES},
    }
    document["table"] = table_of(document)
    write_json(out / "lipschitz.json", document)
    draw(document, out / "lipschitz.png")
    return document


def smooth(probes: list[float]) -> Floats:
    """Geometric mean of three neighbours, the middle one twice: two of them may be tenfold apart."""
    logs = np.log(np.pad(probes, 1, mode="edge"))
    return np.asarray(np.exp((logs[:-2] + 2 * logs[1:-1] + logs[2:]) / 4))


def running_median(probes: list[float]) -> Floats:
    """Of five neighbours, of fewer at the ends: a check, blind to a peak of one or two updates."""
    return np.array([np.median(probes[max(0, i - 2) : i + 3]) for i in range(len(probes))])


def peak_of(curve: Floats) -> int:
    """Where it is largest; the middle of equal places, which a running median has."""
    places = np.flatnonzero(curve == curve.max())
    return int(places[len(places) // 2])


def by_batch(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """By batch: median of the seeds' smoothed curves, and the peak of each of them in samples and updates."""
    rows: dict[str, Any] = {}
    for batch in sorted({line["batch"] for line in lines}):
        same = [line for line in lines if line["batch"] == batch]
        curves = [smooth(line["probe"]) for line in same]
        points = min(len(curve) for curve in curves)
        peaks = [peak_of(curve) for curve in curves]
        rows[str(batch)] = {
            "samples": [int(s) for s in same[0]["samples"][:points]],
            "median": np.median([curve[:points] for curve in curves], 0).round(3).tolist(),
            "peak": [round(float(curve[i]), 4) for curve, i in zip(curves, peaks, strict=True)],
            "peak_samples": [int(line["samples"][i]) for line, i in zip(same, peaks, strict=True)],
            "peak_samples_by_median": [
                int(line["samples"][peak_of(running_median(line["probe"]))]) for line in same
            ],
            "peak_updates": [int(line["update"][i]) for line, i in zip(same, peaks, strict=True)],
        }
    return rows


def table_of(document: dict[str, Any]) -> list[list[str]]:
    """Tabulate the peaks of the smoothed curves by rule and batch: median of the seeds and their range."""
    table = [["rule", "batch", "largest L", *COLUMNS.values()]]
    for rule, title in RULES.items():
        for batch, row in document["rules"][rule].items():
            where = [_range(row[key], ",.0f") for key in COLUMNS]
            table.append([title, batch, _range(row["peak"], ".1f"), *where])
    return table


def _range(values: list[float], form: str) -> str:
    return f"{np.median(values):{form}} ({min(values):{form}} … {max(values):{form}})"


def draw(document: dict[str, Any], path: Path) -> None:
    """Draw the smoothed L against samples, a line per batch; dots: the table's peaks, bars: their range."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure((13, 6), layout="constrained")
    axes = figure.subplots(1, len(RULES), sharey=True)
    for axis, (rule, title) in zip(axes, RULES.items(), strict=True):
        rows = document["rules"][rule]
        for k, (batch, row) in enumerate(rows.items()):
            color = colormaps["viridis"](0.95 * k / max(1, len(rows) - 1))
            axis.plot(row["samples"], row["median"], color=color, label=f"batch {batch}")
            place, height = np.median(row["peak_samples"]), np.median(row["peak"])
            aside = [[place - min(row["peak_samples"])], [max(row["peak_samples"]) - place]]
            axis.errorbar(place, height, xerr=aside, fmt="o", color=color, capsize=3, mec="k", zorder=3)
        axis.set_xscale("symlog", linthresh=32)
        axis.set(yscale="log", xlabel="samples", title=title, xlim=(0, None))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.grid(True, alpha=0.25)
    axes[0].set(ylabel="L, smoothed over 3 probes, median of 3 seeds")
    axes[0].legend(fontsize=8, title="dot: median of the peaks\nbar: their range", title_fontsize=8)
    save_figure(figure, path)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--rate", type=float, required=True, help="base rate that batch_rules text found")
    given = parser.parse_args()
    for line in experiment(given.data, given.out, given.rate, given.jobs)["table"]:
        print(" | ".join(line))
