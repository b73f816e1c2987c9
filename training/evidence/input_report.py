"""What training/evidence/input_stages.py measured, as a summary, a table and a plot."""

from pathlib import Path
from typing import Any

import numpy as np

from eval.results.store import save_figure

ALONE = "network alone"


def summary(
    alone: dict[str, list[float]], behind: dict[str, list[float]], parts: dict[str, float]
) -> dict[str, Any]:
    """Rates of every stage without and with the network, and which of the two holds it back.

    Args:
        alone: samples/s of every stage, a value a round.
        behind: the same with the network behind it, and of the network ALONE.
        parts: milliseconds a sample from shards in one thread.
    """
    eats = _spread(behind[ALONE])
    rows = {}
    for name, rates in alone.items():
        makes = _spread(rates)
        held_by = "network" if makes["median"] > eats["median"] else "input"
        rows[name] = {"input": makes, "with network": _spread(behind[name]), "bottleneck": held_by}
    return {
        "unit": "samples/s",
        "stages": rows,
        "network alone": eats,
        "ms a sample": parts,
        "largest part": max(parts, key=parts.__getitem__),
    }


def _spread(rates: list[float]) -> dict[str, float]:
    return {"median": float(np.median(rates)), "min": min(rates), "max": max(rates), "rounds": len(rates)}


def draw(result: dict[str, Any], path: Path) -> None:
    """Bars of every stage with their spread; the line is what the network eats."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    rows = result["stages"]
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for shift, key in ((-0.2, "input"), (0.2, "with network")):
        middle = np.array([row[key]["median"] for row in rows.values()])
        low, high = (np.array([row[key][end] for row in rows.values()]) for end in ("min", "max"))
        at = np.arange(len(rows)) + shift
        axes.barh(at, middle, 0.38, xerr=[middle - low, high - middle], label=key)
    eats = result["network alone"]
    axes.axvline(eats["median"], color="black", linestyle="--", label="network alone")
    axes.axvspan(eats["min"], eats["max"], color="black", alpha=0.1)
    axes.set_yticks(np.arange(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"samples/s ({result['device']}, batch {result['batch']}; bars: median, lines: range)")
    figure.legend(loc="outside upper center", ncols=3)
    save_figure(figure, path, dpi=120)


def table(result: dict[str, Any]) -> list[list[str]]:
    """Tabulate the stages, the network alone last."""
    rows = [["samples/s, median (range)", "input", "with the network", "held back by"]]
    for name, row in result["stages"].items():
        rows.append([name, *(_cell(row[key]) for key in ("input", "with network")), row["bottleneck"]])
    return [*rows, [ALONE, "–", _cell(result["network alone"]), "network"]]


def parts(result: dict[str, Any]) -> str:
    """Where a sample's time goes, in a line."""
    each = ", ".join(f"{name} {ms:.2f}" for name, ms in result["ms a sample"].items())
    return f"ms a sample from shards: {each} (mostly {result['largest part']})"


def _cell(rate: dict[str, float]) -> str:
    return f"{rate['median']:.0f} ({rate['min']:.0f} to {rate['max']:.0f})"
