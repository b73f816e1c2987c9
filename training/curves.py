"""Loss curves of a finished run, as a picture."""

from pathlib import Path

import numpy as np

from training.logs import Line, read_log

SMOOTHED_OVER = 25  # lines of the log


def write_curves(folder: Path) -> Path:
    """Draw folder/log.jsonl as folder/curves.png: a column a phase, its loss above, the parts below."""
    from matplotlib.figure import Figure

    lines = read_log(folder)
    phases = list(dict.fromkeys(line["phase"] for line in lines))
    figure = Figure((5 * max(1, len(phases)), 6), layout="constrained")
    axes = figure.subplots(2, max(1, len(phases)), squeeze=False)
    for column, phase in enumerate(phases):
        rows = [line for line in lines if line["phase"] == phase]
        samples = np.array([row["samples"] for row in rows])
        above, below = axes[0, column], axes[1, column]
        loss = np.array([row["loss"] for row in rows])
        above.plot(samples, loss, color="C7", alpha=0.4, lw=0.8)
        above.plot(samples, smooth(loss), color="C0", lw=1.6)
        above.set(title=phase, ylabel="loss" if column == 0 else None)
        _draw_parts(below, samples, rows)
        below.set(xlabel="samples", ylabel="parts, by exit" if column == 0 else None)
    path = folder / "curves.png"
    figure.savefig(path, dpi=110)
    return path


def _draw_parts(axes: object, samples: np.ndarray, rows: list[Line]) -> None:
    styles = iter(("-", "--", ":", "-."))
    for name, first in rows[0].items():
        if not isinstance(first, list):
            continue
        style = next(styles)
        for k in range(len(first)):
            values = smooth(np.array([row[name][k] for row in rows]))
            label = f"{name} {k + 1}" if len(first) > 1 else name
            axes.plot(samples, values, style, color=f"C{k}", lw=1.2, label=label)  # type: ignore[attr-defined]
    axes.legend(fontsize=7, ncols=3)  # type: ignore[attr-defined]


def smooth(values: np.ndarray) -> np.ndarray:
    """Mean of the last SMOOTHED_OVER values, of as many as there are at the beginning; same length."""
    total = np.cumsum(np.insert(values.astype(float), 0, 0.0))
    end = np.arange(1, len(values) + 1)
    start = np.maximum(0, end - SMOOTHED_OVER)
    return (total[end] - total[start]) / (end - start)
