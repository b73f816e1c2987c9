"""Why the warm-up grows with the batch: how fast the gradient turns along itself, as training goes on.

    python -m training.evidence.lipschitz --out docs/results/recipes

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

from eval.host import describe_host
from eval.kept import write_json
from training.evidence.batch_rules import BASE_BATCH, SEEDS, phase_of, tasks
from training.evidence.fit import Learner, Trial, options, run
from training.evidence.learners import TextLearner

PROBED, STEP = 256, 1e-2
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


def geometric_marks(samples: int) -> list[int]:
    """From 64 samples on, a quarter further each."""
    marks, mark = [], 64.0
    while mark < samples:
        marks.append(round(mark))
        mark *= 1.25
    return [*marks, samples]


def experiment(data: Path, out: Path, rate: float, jobs: int) -> dict[str, Any]:
    """Writes OUT/lipschitz.jsonl (every training), .json and .png."""
    task = tasks(data)["text"]
    trials = [
        Trial(rule, phase_of(task.samples, k * BASE_BATCH, rate, rule), seed)
        for rule in RULES
        for k in task.multiples
        for seed in SEEDS
    ]
    found = run(
        trials, TextLearner, out / "lipschitz.jsonl", jobs, "probing", geometric_marks, local_lipschitz
    )
    document = {
        "command": "python -m training.evidence.lipschitz",
        "host": describe_host(),
        "base_rate": rate,
        "rules": {rule: _by_batch([line for line in found if line["row"] == rule]) for rule in RULES},
    }
    document["table"] = table_of(document)
    write_json(out / "lipschitz.json", document)
    draw(document, out / "lipschitz.png")
    return document


def _by_batch(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """By batch: the curve's points, median of the seeds, and every seed's peak in samples and updates."""
    rows: dict[str, Any] = {}
    for batch in sorted({line["batch"] for line in lines}):
        same = [line for line in lines if line["batch"] == batch]
        points = min(len(line["probe"]) for line in same)
        peaks = [int(np.argmax(line["probe"])) for line in same]
        rows[str(batch)] = {
            "samples": [int(s) for s in same[0]["samples"][:points]],
            "median": np.median([line["probe"][:points] for line in same], 0).round(3).tolist(),
            "peak": [max(line["probe"]) for line in same],
            "peak_samples": [int(line["samples"][i]) for line, i in zip(same, peaks, strict=True)],
            "peak_updates": [int(line["update"][i]) for line, i in zip(same, peaks, strict=True)],
        }
    return rows


def table_of(document: dict[str, Any]) -> list[list[str]]:
    """A row a rule and batch: where L peaks, median of the seeds and their range."""
    table = [["rule", "batch", "largest L", "after samples", "after updates"]]
    for rule, title in RULES.items():
        for batch, row in document["rules"][rule].items():
            table.append(
                [
                    title,
                    batch,
                    f"{np.median(row['peak']):.1f}",
                    *(_range(row[key]) for key in ("peak_samples", "peak_updates")),
                ]
            )
    return table


def _range(values: list[int]) -> str:
    return f"{np.median(values):,.0f} ({min(values):,} … {max(values):,})"


def draw(document: dict[str, Any], path: Path) -> None:
    """L against samples, a line a batch; a panel a rule."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure((12, 5), layout="constrained")
    axes = figure.subplots(1, len(RULES), sharey=True)
    for axis, (rule, title) in zip(axes, RULES.items(), strict=True):
        rows = document["rules"][rule]
        for k, (batch, row) in enumerate(rows.items()):
            color = colormaps["viridis"](k / max(1, len(rows) - 1))
            axis.plot(row["samples"], row["median"], color=color, label=f"batch {batch}")
            place = int(np.argmax(row["median"]))
            axis.plot(row["samples"][place], row["median"][place], "o", color=color)
        axis.set(xscale="log", yscale="log", xlabel="samples", title=title)
        axis.grid(True, which="both", alpha=0.25)
    axes[0].set(ylabel="local Lipschitz constant along the gradient")
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--rate", type=float, required=True, help="base rate that batch_rules text found")
    given = parser.parse_args()
    for line in experiment(given.data, given.out, given.rate, given.jobs)["table"]:
        print(" | ".join(line))
