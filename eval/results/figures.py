"""Figures from the JSON that an evaluation wrote."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from eval.results.store import save_figure

OURS, OTHER = "#2f6f9f", "#8a8a8a"
KINDS = {
    "budget": ("gates, by budget", OURS, "o-"),
    "depth": ("fixed depth", "#d08a2f", "o-"),
    "random": ("random depth", "#7a4fa0", "o"),
    "other": ("OpenCV", OTHER, "o"),
}
# Directions from a point to its name, tried in order: beside, above and below, aslant; then the same farther.
DIRECTIONS = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)]
DISTANCES = [8, 14, 22, 32, 44, 58]
NEAR, LINE = 14, {"arrowstyle": "-", "lw": 0.5, "color": "#999999"}


def write_figure(document: dict[str, Any], path: Path) -> None:
    """Draw the bars of figure_of to a PNG."""
    save_figure(figure_of(document), path)


def figure_of(document: dict[str, Any]) -> Figure:
    """Success AUC of every contender as bars; ours in another colour than the rest."""
    rows = sorted(document["contenders"].items(), key=lambda item: item[1]["auc"])
    figure = Figure(figsize=(8, 0.42 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    colours = [OURS if "share" in row else "#b9b9b9" for _, row in rows]
    bars = axes.barh([name for name, _ in rows], [row["auc"] for _, row in rows], color=colours)
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.set_xlabel(f"success AUC, {document['folder']} set, {document['starts']} start(s)")
    axes.set_xlim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def bench_figure(document: dict[str, Any], path: Path) -> None:
    """AUC against mean milliseconds, both on the timed frames."""
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.subplots()
    for name, row in document["ms"].items():
        mine = name in {"default", "full"} or name.startswith("depth:")
        axes.plot(row["mean"], row["auc"], "o", color=OURS if mine else OTHER)
    axes.set_ylabel("success AUC on the timed frames")
    _plain(axes)
    _log_ms(axes)
    label_points(axes, {name: (row["mean"], row["auc"]) for name, row in document["ms"].items()})
    save_figure(figure, path)


def write_scatter(document: dict[str, Any], path: Path) -> None:
    """AUC of a sweep: of everybody against ms, and of ours alone, magnified, against ms and MMAC."""
    figure = Figure(figsize=(15, 5), layout="constrained")
    everybody, by_ms, by_macs = figure.subplots(1, 3)
    points = document["points"]
    ours = {n: p for n, p in points.items() if p["kind"] != "other"}
    _scatter(everybody, points, "ms")
    _scatter(by_ms, ours, "ms")
    _scatter(by_macs, ours, "mmac")
    everybody.set_ylabel(f"success AUC, {document['folder']} set")
    everybody.set_title("beside OpenCV's trackers", fontsize=10)
    by_ms.set_title("ours alone, magnified", fontsize=10)
    by_macs.set_title("ours alone, by computation", fontsize=10)
    by_macs.set_xlabel("mean MMAC per frame")
    by_macs.margins(x=0.18, y=0.14)
    for axes in (everybody, by_ms):
        _log_ms(axes)
    named = {"full", "depth:1", *(n for n, p in points.items() if p["kind"] == "other")}
    everybody.legend(loc="lower right", fontsize=8)
    _label(everybody, {n: p for n, p in points.items() if n in named}, "ms")
    _label(by_ms, ours, "ms")
    _label(by_macs, ours, "mmac")
    save_figure(figure, path)


def _scatter(axes: Any, points: dict[str, Any], key: str) -> None:
    for kind, (label, colour, style) in KINDS.items():
        at = sorted((p[key], p["auc"]) for p in points.values() if p["kind"] == kind and p[key] is not None)
        if at:
            axes.plot(*zip(*at, strict=True), style, color=colour, label=label, ms=5, lw=1.2)
    _plain(axes)


def _label(axes: Any, points: dict[str, Any], key: str) -> None:
    label_points(axes, {n: (p[key], p["auc"]) for n, p in points.items() if p[key] is not None})


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)


def _log_ms(axes: Any) -> None:
    """Milliseconds as they are said, 0.5, 1, 2, 5, and room for names at the sides."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, position: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("mean ms per update, one thread")
    axes.margins(x=0.16, y=0.14)


def label_points(axes: Any, points: dict[str, tuple[float, float]], fontsize: int = 8) -> None:
    """Write each name near its point, inside the axes, where it covers no name, point, line or legend.

    Call it last: limits and scales must stand. A name that has no free place
    stands where it covers least, and a thin line leads from a far name to its point.
    """
    axes.figure.draw_without_rendering()
    inside = axes.get_window_extent()
    at = {name: axes.transData.transform(point) for name, point in points.items()}
    drawn = _drawn(axes, list(at.values()))
    names = [] if axes.get_legend() is None else [axes.get_legend().get_window_extent()]
    for name, point in sorted(points.items(), key=lambda item: -item[1][1]):
        tried = []
        for distance, direction in ((d, way) for d in DISTANCES for way in DIRECTIONS):
            text = _named(axes, name, point, distance, direction, fontsize)
            box = text.get_window_extent()
            text.remove()
            line = _steps(at[name], np.clip(at[name], box.min, box.max)) if distance > NEAR else []
            outside = box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1
            worst = outside + sum(box.overlaps(other) for other in names)
            covered = sum(box.overlaps(other) for other in drawn)
            covered += sum(part.overlaps(other) for part in line for other in names)
            tried.append((worst, covered, distance, direction, [Bbox(box.padded(2)), *line]))
            if worst == covered == 0:
                break
        _, _, distance, direction, covering = min(tried, key=lambda place: place[:4])
        names.append(covering[0])
        drawn += covering[1:]
        _named(axes, name, point, distance, direction, fontsize, LINE if distance > NEAR else None)


def _named(
    axes: Any,
    name: str,
    point: tuple[float, float],
    distance: int,
    direction: tuple[int, int],
    fontsize: int,
    line: dict[str, Any] | None = None,
) -> Any:
    across, up = direction
    return axes.annotate(
        name,
        point,
        (across * distance, up * distance),
        textcoords="offset points",
        fontsize=fontsize,
        ha=("center", "left", "right")[across],
        va=("center", "bottom", "top")[up],
        arrowprops=None if line is None else {**line, "relpos": ((1 - across) / 2, (1 - up) / 2)},
    )


def _drawn(axes: Any, points: list[Any]) -> list[Bbox]:
    """Small boxes, in pixels, over what no name may cover: the points, and the lines between them."""
    boxes = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in points]
    for line in axes.lines:
        corners = axes.transData.transform(line.get_xydata())
        for a, b in zip(corners, corners[1:], strict=False):
            boxes += _steps(a, b)
        boxes += [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in corners]
    return boxes


def _steps(a: Any, b: Any) -> list[Bbox]:
    """Boxes of two pixels along a line from one point to another."""
    count = max(2, int(np.hypot(*(np.asarray(b) - a)) / 4))
    return [Bbox.from_bounds(x - 1, y - 1, 2, 2) for x, y in np.linspace(a, b, count)]
