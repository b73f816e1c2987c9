"""What a recipe will do, without doing it: the plan of every phase as a table and a picture.

    python app.py train --explain training/recipes/depthgate_s.yaml

Every update of the plan is walked, as the loop will walk it, so the counts are the loop's.
"""

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from eval.results.store import save_figure
from training.data.open import open_data
from training.recipe.checks import norm_group
from training.recipe.schema import Phase, Recipe
from training.schedule.epoch import with_epoch
from training.schedule.plan import Update, make_plan, noise_of, updates

ROWS_OF_A_CONTINUOUS_DECAY = 8
MOST_POINTS = 2000


@dataclass(frozen=True)
class Explained:
    """A phase and all its updates; epoch_samples is N."""

    phase: Phase
    updates: list[Update]
    epoch_samples: int
    warmup_samples: int

    def noise(self, update: Update) -> float | None:
        return noise_of(update.step, self.phase.optimiser, self.epoch_samples)


def explain(recipe: Recipe, processes: int = 1) -> list[Explained]:
    """Plan the phases of a recipe; opens the data only where `data.epoch_samples` is not stated.

    Raises:
        RecipeError: a plan that cannot be held, or not by so many processes.
        SourceError: N is not stated and the data is not there.
    """
    if recipe.data.epoch_samples is None:
        recipe = with_epoch(recipe, open_data(recipe))
    n = recipe.data.epoch_samples
    assert n is not None
    group = norm_group(recipe, processes)
    plans = [(phase, make_plan(phase, n, processes, group)) for phase in recipe.phases]
    return [Explained(phase, list(updates(plan)), n, plan.warmup_samples) for phase, plan in plans]


def print_plan(explained: list[Explained]) -> None:
    """Print a table per phase on standard output."""
    console = Console(highlight=False)
    for one in explained:
        console.print(_table(one))
        console.print(_summary(one))


def rows(one: Explained) -> list[int]:
    """Return the indices of updates worth a row: first, end of warm-up, jumps, some between, last."""
    steps = [u.step for u in one.updates]
    chosen = {0, len(steps) - 1}
    chosen |= {i for i, u in enumerate(one.updates) if u.start >= one.warmup_samples > u.start - u.count}
    if one.phase.decay.form == "step":
        settled = [i for i, u in enumerate(one.updates) if u.start > one.warmup_samples]
        chosen |= {i for i in settled if steps[i] != steps[i - 1]}
    elif one.phase.decay.form != "constant":
        starts = [u.start for u in one.updates]
        for k in range(1, ROWS_OF_A_CONTINUOUS_DECAY):
            where = one.phase.samples * k // ROWS_OF_A_CONTINUOUS_DECAY
            chosen.add(min(bisect_left(starts, where), len(starts) - 1))
    return sorted(chosen)


def _table(one: Explained) -> Table:
    table = Table(title=f"phase {one.phase.name}", title_justify="left")
    for name in ("update", "samples", "epoch", "learning rate", "batch", "momentum", "noise scale"):
        table.add_column(name, justify="right")
    for i in rows(one):
        update = one.updates[i]
        noise = one.noise(update)
        table.add_row(
            f"{i + 1:,}",
            f"{update.start:,}",
            f"{update.start / one.epoch_samples:.2f}",
            f"{update.step.lr:.4g}",
            f"{update.step.batch:,}",
            f"{update.step.momentum:g}",
            "not defined" if noise is None else f"{noise:.4g}",
        )
    return table


def _summary(one: Explained) -> str:
    micro = one.phase.micro_batch
    held = f", held {micro} at a time" if micro else ""
    return (
        f"{len(one.updates):,} updates, {one.phase.samples:,} samples, "
        f"{one.phase.samples / one.epoch_samples:.2f} epochs of {one.epoch_samples:,}; "
        f"{one.phase.optimiser}{held}\n"
    )


def draw_plan(explained: list[Explained], path: Path) -> None:
    """Rate, batch, momentum, noise scale and updates against samples; a column a phase."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, MaxNLocator

    figure = Figure((4.5 * len(explained), 9), layout="constrained")
    axes = figure.subplots(5, len(explained), squeeze=False, sharex="col")
    for column, one in enumerate(explained):
        for row, (name, points) in enumerate(_curves(one).items()):
            ax = axes[row, column]
            if None in points:
                ax.text(0.5, 0.5, "not defined", transform=ax.transAxes, ha="center")
                ax.set_yticks([])
            else:
                x = [one.updates[i].start for i in _some(one)] + [one.phase.samples]
                ax.plot(x, [*points, points[-1]], drawstyle="steps-post")
                ax.set_ylim(bottom=0)
            if column == 0:
                ax.set_ylabel(name)
        axes[0, column].set_title(one.phase.name)
        axes[4, column].set_xlabel("samples")
        axes[4, column].xaxis.set_major_locator(MaxNLocator(6))
        axes[4, column].xaxis.set_major_formatter(EngFormatter(sep=""))
    save_figure(figure, path)


def _some(one: Explained) -> list[int]:
    """Return the indices of the updates that are drawn, among them those of the table."""
    return sorted({*range(0, len(one.updates), max(1, len(one.updates) // MOST_POINTS)), *rows(one)})


def _curves(one: Explained) -> dict[str, list[float | None]]:
    some = _some(one)
    steps = [one.updates[i].step for i in some]
    return {
        "learning rate": [s.lr for s in steps],
        "batch": [s.batch for s in steps],
        "momentum": [s.momentum for s in steps],
        "noise scale": [one.noise(one.updates[i]) for i in some],
        "updates": [i + 1 for i in some],
    }
