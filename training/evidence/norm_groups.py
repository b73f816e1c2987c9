"""How many processes should share a batch norm's moments when each holds two samples.

    python -m training.evidence.norm_groups --data ../shared/data --out docs/results/recipes

A batch of 64 as 32 processes of two samples would divide it. Groups of g
processes normalise 2g samples together; one process computes them here, group
after group, which is the same (tests/training/distributed/test_group_batch_norm.py), and
the running moments follow as they do when 64/2g groups average theirs.
Claim: Ying et al. 2018, arXiv 1811.06992, distributed batch normalization.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from eval.results.host import describe_host
from eval.results.store import save_figure, write_json
from training.evidence.fit import Trial, options, run
from training.evidence.learners import PictureLearner
from training.recipe.schema import Phase

SEEDS = (0, 1, 2)
SAMPLES, BATCH, A_PROCESS, RATE = 30_000, 64, 2, 0.1
GROUPS = (1, 2, 4, 8, 16, 32)


def experiment(data: Path, out: Path, jobs: int) -> dict[str, Any]:
    """Write OUT/norm_groups.jsonl (every training), .json and .png."""
    rows = {}
    for group in GROUPS:
        together = group * A_PROCESS
        phase = Phase("experiment", SAMPLES, BATCH, RATE, micro_batch=together, optimiser="nesterov")
        learn = partial(PictureLearner, data, norm_momentum=0.1 * together / BATCH)
        trials = [Trial(f"group {group}", phase, seed) for seed in SEEDS]
        found = run(trials, learn, out / "norm_groups.jsonl", jobs, f"group of {group}")
        rows[str(group)] = {
            "accuracy": [0.0 if x["diverged"] else x["accuracy"][-1] for x in found],
            "train_loss": [None if x["diverged"] else x["train_loss"][-1] for x in found],
        }
    document: dict[str, Any] = {
        "command": "python -m training.evidence.norm_groups",
        "host": describe_host(),
        "rows": rows,
    }
    document["table"] = table_of(document)
    write_json(out / "norm_groups.json", document)
    draw(document, out / "norm_groups.png")
    return document


def table_of(document: dict[str, Any]) -> list[list[str]]:
    """Tabulate mean and sd of the seeds, a row per group size."""
    table = [["processes a group", "samples normalised together", "accuracy, %", "training loss at the end"]]
    for group, row in document["rows"].items():
        accuracy = 100 * np.array(row["accuracy"])
        loss = np.array([x for x in row["train_loss"] if x is not None])
        lost = f"{loss.mean():.3f} ± {loss.std(ddof=1):.3f}" if len(loss) == len(SEEDS) else "diverged"
        together = str(int(group) * A_PROCESS)
        table.append([group, together, f"{accuracy.mean():.1f} ± {accuracy.std(ddof=1):.1f}", lost])
    return table


def draw(document: dict[str, Any], path: Path) -> None:
    """Accuracy of every seed against the samples that are normalised together."""
    from matplotlib.figure import Figure

    figure = Figure((6.5, 4.5), layout="constrained")
    axis = figure.subplots()
    together = [int(group) * A_PROCESS for group in document["rows"]]
    values = 100 * np.array([row["accuracy"] for row in document["rows"].values()])
    axis.plot(together, values, "o", color="C0", alpha=0.5)
    axis.plot(together, values.mean(1), color="C0")
    axis.set_xscale("log", base=2)
    axis.set_xticks(together, [str(n) for n in together])
    axis.set(xlabel="samples normalised together (2 a process)", ylabel="validation accuracy, %")
    axis.grid(True, alpha=0.25)
    save_figure(figure, path)


if __name__ == "__main__":
    given = options(__doc__).parse_args()
    for line in experiment(given.data, given.out, given.jobs)["table"]:
        print(" | ".join(line))
