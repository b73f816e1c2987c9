"""Curves of a finished run, as a picture."""

from pathlib import Path
from typing import Any

import numpy as np

from eval.results.store import save_figure
from tracker.arrays import Floats, Ints
from training.run.logs import Line, read_log, split_log

SMOOTHED_OVER, SMOOTHED_SHARE = 25, 0.1
"""Lines of the log, and the share of a phase's lines; the lesser of the two."""
STYLES, MARKERS = ("-", "--", ":", "-."), ("o", "s", "^", "D")


def write_curves(folder: Path) -> Path:
    """Draw folder/log.jsonl as folder/curves.png: a column a phase, its loss above, the parts below.

    Points are values of the averaged network on held-out samples.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    lines, held_out = split_log(read_log(folder))
    phases = list(dict.fromkeys(line["phase"] for line in lines))
    figure = Figure((5 * max(1, len(phases)), 6), layout="constrained")
    axes = figure.subplots(2, max(1, len(phases)), squeeze=False, sharex="col")
    for column, phase in enumerate(phases):
        rows = [line for line in lines if line["phase"] == phase]
        points = [line for line in held_out if line["phase"] == phase]
        above, below = axes[:, column]
        _draw_loss(above, rows, points)
        _draw_parts(below, rows, points)
        above.set(title=phase, ylabel="loss" if column == 0 else None)
        below.set(xlabel="samples", ylabel="parts" if column == 0 else None)
        below.xaxis.set_major_formatter(EngFormatter(sep=""))
    path = folder / "curves.png"
    save_figure(figure, path)
    return path


def _draw_loss(axes: Any, rows: list[Line], points: list[Line]) -> None:
    samples, loss = _samples(rows), np.array([row["loss"] for row in rows])
    axes.plot(samples, loss, color="C7", alpha=0.4, lw=0.8)
    axes.plot(samples, smooth(loss), color="C0", lw=1.6, label="training")
    if points:
        values = [point["validation"]["loss"] for point in points]
        axes.plot(_samples(points), values, "o-", color="C1", ms=4, lw=1.2, label="validation")
        axes.legend(fontsize=7)


def _draw_parts(axes: Any, rows: list[Line], points: list[Line]) -> None:
    parts = [name for name, value in rows[0].items() if isinstance(value, list)]
    for name, style, marker in zip(parts, STYLES, MARKERS, strict=False):
        for k in range(len(rows[0][name])):
            values = smooth(np.array([row[name][k] for row in rows]))
            label = f"{name} {k + 1}" if len(rows[0][name]) > 1 else name
            axes.plot(_samples(rows), values, style, color=f"C{k}", lw=1.2, label=label)
            if points:
                held_out = [point["validation"][name][k] for point in points]
                axes.plot(_samples(points), held_out, marker, color=f"C{k}", ms=4, mfc="none", mew=1)
    axes.legend(fontsize=7, ncols=3)


def _samples(lines: list[Line]) -> Ints:
    return np.array([line["samples"] for line in lines], np.int64)


def smooth(values: Floats) -> Floats:
    """Mean of the last few values, of as many as there are at the beginning; same length."""
    over = max(1, min(SMOOTHED_OVER, round(SMOOTHED_SHARE * len(values))))
    total = np.cumsum(np.insert(values.astype(float), 0, 0.0))
    end = np.arange(1, len(values) + 1)
    start = np.maximum(0, end - over)
    return np.asarray((total[end] - total[start]) / (end - start))
