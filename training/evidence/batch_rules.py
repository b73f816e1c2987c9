"""LEGW against other ways to a larger batch, on an LSTM and on the tracker.

    python -m training.evidence.batch_rules text --data ../shared/data --out docs/results/recipes
    python -m training.evidence.batch_rules tracker --data ../shared/data --out docs/results/recipes

The rate is tuned once, at the base batch. Then every rule goes to k times
that batch with the same number of samples. Adam and LARS run as they come, and
once more LARS, like Nesterov, with a rate searched at every batch anew, beside
LEGW's warm-up (Nado et al. 2021, arXiv 2102.06356, say that a tuned Nesterov
needs no LARS). Rates are chosen with a seed that the results do not use.
Claim: You et al. 2019, arXiv 1901.08256.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from eval.results.host import describe_host
from eval.results.store import save_figure, write_json
from training.evidence.fit import Learner, Trial, options, run
from training.evidence.learners import TextLearner, TrackerLearner
from training.recipe.schema import Decay, Phase, Scaling

SEEDS, TUNING_SEED = (0, 1, 2), 100
MILESTONES = (1.0, 0.9)
"""Shares of the base's accuracy whose way is counted."""

BASE_BATCH, WARMUP_SHARE = 8, 1 / 256
RULES = ("legw", "sqrt", "linear", "none")
TUNED_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
TUNED_LARS_RATES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
DEFAULTS = {"adam": 1e-3, "lars": 1.0}
"""Rates of torch's Adam and of timm's Lars."""

TITLES = {
    "legw": "LEGW: √k, warm-up × k",
    "sqrt": "√k, fixed warm-up",
    "linear": "k, fixed warm-up",
    "none": "nothing scaled",
    "adam": "Adam, rate .001",
    "lars": "LARS, rate 1",
    "tuned": "Nesterov, rate tuned at every batch",
    "tuned_lars": "LARS, rate tuned at every batch",
}


@dataclass(frozen=True)
class Task:
    """What is trained: epochs of N samples; rates tried at the base batch; multiples of it."""

    learner: Callable[[], Learner]
    samples: int
    rates: tuple[float, ...]
    multiples: tuple[int, ...]


def tasks(data: Path) -> dict[str, Task]:
    """Return the two tasks of the experiment; `samples` of a training is a multiple of the largest batch."""
    return {
        "text": Task(TextLearner, 24_576, tuple(0.05 * 2**i for i in range(8)), (1, 2, 4, 8, 16, 32, 64)),
        "tracker": Task(
            partial(TrackerLearner, data), 20_480, tuple(0.01 * 2**i for i in range(7)), (1, 4, 16, 64)
        ),
    }


def phase_of(samples: int, batch: int, rate: float, rule: str = "none", optimiser: str = "nesterov") -> Phase:
    """Plan a linear decay after a warm-up of 1/256 of the training at the base batch, scaled by `rule`."""
    return Phase(
        name="experiment",
        samples=samples,
        batch=batch,
        lr=rate,
        warmup_samples=round(samples * WARMUP_SHARE),
        decay=Decay("polynomial", power=1.0),
        scaling=Scaling(rule, BASE_BATCH),
        optimiser=optimiser,
    )


def experiment(name: str, data: Path, out: Path, jobs: int) -> dict[str, Any]:
    """Train what OUT/batch_rules_NAME.jsonl has no line for; writes the .json and .png beside it."""
    task = tasks(data)[name]
    lines = out / f"batch_rules_{name}.jsonl"
    train = partial(run, learn=task.learner, out=lines, jobs=jobs)

    def best(trials: list[Trial]) -> float:
        found = train(trials, title="tuning")
        return min(zip(found, trials, strict=True), key=lambda pair: _final_loss(pair[0]))[1].phase.lr

    rate = best([Trial("base", phase_of(task.samples, BASE_BATCH, r), TUNING_SEED) for r in task.rates])
    trials = []
    for k in task.multiples:
        batch = k * BASE_BATCH
        phases = {rule: phase_of(task.samples, batch, rate, rule) for rule in RULES if k > 1}
        phases |= {o: phase_of(task.samples, batch, r, optimiser=o) for o, r in DEFAULTS.items()}
        if k == 1:
            phases["base"] = phase_of(task.samples, batch, rate)
        trials += [Trial(row, phase, seed) for row, phase in phases.items() for seed in SEEDS]
    found = train(trials, title="rules")
    for k in task.multiples:
        searched = {"tuned_lars": ("lars", TUNED_LARS_RATES)}
        if k > 1:
            searched["tuned"] = ("nesterov", tuple(rate * k**power for power in TUNED_POWERS))
        for row, (optimiser, rates) in searched.items():
            phase_at = partial(phase_of, task.samples, k * BASE_BATCH, rule="legw", optimiser=optimiser)
            chosen = best([Trial("tuning", phase_at(r / math.sqrt(k)), TUNING_SEED) for r in rates])
            tuned = [Trial(row, phase_at(chosen), seed) for seed in SEEDS]
            found += train(tuned, title=f"{optimiser}, tuned at {k * BASE_BATCH}")
    document = {
        "command": f"python -m training.evidence.batch_rules {name}",
        "host": describe_host(),
        "base_rate": rate,
        "samples": task.samples,
        **summarise(found),
    }
    document["table"] = table_of(document)
    write_json(out / f"batch_rules_{name}.json", document)
    draw(document, out / f"batch_rules_{name}.png")
    return document


def _final_loss(line: dict[str, Any]) -> float:
    return math.inf if line["diverged"] else float(line["loss"][-1])


def summarise(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """By rule and batch: final accuracy of every seed (0 where it diverged), and the way to each milestone.

    The base's accuracy is the lowest final one of its seeds.
    """
    base = min(line["accuracy"][-1] for line in lines if line["row"] == "base")
    rows: dict[str, dict[str, Any]] = {}
    for line in lines:
        cell = rows.setdefault(line["row"], {}).setdefault(
            str(line["batch"]),
            {"accuracy": [], "rate": line["peak_lr"], "updates": line["updates"], "to": {}},
        )
        cell["accuracy"].append(0.0 if line["diverged"] else line["accuracy"][-1])
        for share in MILESTONES:
            cell["to"].setdefault(str(share), []).append(_way(line, share * base))
    return {"base_accuracy": base, "rows": rows}


def _way(line: dict[str, Any], target: float) -> dict[str, float] | None:
    """Return updates and seconds to the first point at or above the target; None: never reached."""
    for i, accuracy in enumerate(line["accuracy"]):
        if accuracy >= target:
            return {"updates": line["update"][i], "seconds": line["at_seconds"][i]}
    return None


def table_of(document: dict[str, Any]) -> list[list[str]]:
    """Tabulate accuracy ± sd, a row per rule, a column per batch; then updates and seconds to milestones."""
    rows = document["rows"]
    batches = sorted({int(b) for row in rows.values() for b in row})
    table = [["accuracy, % ± sd of 3 seeds", *[f"{b}" for b in batches]]]
    for name, title in TITLES.items():
        table.append([title, *[_accuracy(rows, name, b) for b in batches]])
    for share in MILESTONES:
        goal = f"{100 * share * document['base_accuracy']:.1f} %"
        table.append([f"**updates / CPU seconds to {goal}**", *[""] * len(batches)])
        for name, title in TITLES.items():
            table.append([title, *[_to(rows, name, b, share) for b in batches]])
    return table


def _cell(rows: dict[str, Any], name: str, batch: int) -> dict[str, Any] | None:
    shared = "base" if batch == BASE_BATCH and name in (*RULES, "tuned") else name
    cell: dict[str, Any] | None = rows.get(shared, {}).get(str(batch))
    return cell


def _accuracy(rows: dict[str, Any], name: str, batch: int) -> str:
    cell = _cell(rows, name, batch)
    if cell is None:
        return "–"
    values = 100 * np.array(cell["accuracy"])
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


def _to(rows: dict[str, Any], name: str, batch: int, share: float) -> str:
    """Medians over the seeds that arrive, and how many do where not all."""
    cell = _cell(rows, name, batch)
    there = [way for way in cell["to"][str(share)] if way] if cell else []
    if cell is None or not there:
        return "–"
    updates, seconds = (np.median([way[k] for way in there]) for k in ("updates", "seconds"))
    seeds = len(cell["accuracy"])
    some = "" if len(there) == seeds else f" ({len(there)} of {seeds})"
    return f"{updates:.0f} / {seconds:.0f}{some}"


def draw(document: dict[str, Any], path: Path) -> None:
    """Draw final accuracy against the batch, mean and range of seeds; right: updates to 90 % of the base."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    figure = Figure((12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = document["rows"]
    batches = sorted({int(b) for row in rows.values() for b in row})
    for k, (name, title) in enumerate(TITLES.items()):
        cells = {b: cell for b in batches if (cell := _cell(rows, name, b))}
        values = 100 * np.array([cell["accuracy"] for cell in cells.values()])
        spread = abs(np.array([values.min(1), values.max(1)]) - values.mean(1))
        shifted = np.array(list(cells)) * 1.03 ** (k - 3.5)
        style = "--" if name.startswith("tuned") else "-"
        left.errorbar(shifted, values.mean(1), spread, label=title, color=f"C{k}", ls=style, marker=".")
        there = {
            b: np.median([way["updates"] for way in cell["to"]["0.9"]])
            for b, cell in cells.items()
            if all(cell["to"]["0.9"])
        }
        right.plot(list(there), list(there.values()), label=title, color=f"C{k}", ls=style, marker=".")
    for share in MILESTONES:
        left.axhline(100 * share * document["base_accuracy"], color="grey", lw=0.8, ls=":")
    left.set(xscale="log", xlabel="batch", ylabel="accuracy at the end, %")
    right.set(xscale="log", yscale="log", xlabel="batch", ylabel="updates until 90 % of batch 8's accuracy")
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.yaxis.set_major_formatter("{x:g}")
    for axis in (left, right):
        axis.set_xticks(batches, [str(b) for b in batches])
        axis.minorticks_off()
        axis.grid(True, alpha=0.25)
    left.legend(fontsize=8)
    save_figure(figure, path)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("task", choices=("text", "tracker"))
    given = parser.parse_args()
    for row in experiment(given.task, given.data, given.out, given.jobs)["table"]:
        print(" | ".join(row))
