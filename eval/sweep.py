"""Accuracy against milliseconds and MACs: the adaptive tracker over its budgets, fixed depths, and others.

python app.py eval sweep ../shared/data/video/dev --out docs/results/eval
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from eval.contenders import DEFAULT, RANDOM
from eval.folder import evaluate_folder
from eval.tables import label_points
from tracker import Tracker
from tracker.manifest import Manifest

POINTS = 5
BASELINES = ("kcf-no-threshold", "csrt", "mosse")
COLOURS = {"budget": "#2f6f9f", "depth": "#d08a2f", "random": "#7a4fa0", "other": "#8a8a8a"}


def budgets_between(manifest: Manifest, points: int = POINTS) -> list[str]:
    """GMAC budgets spread geometrically between depth 1 and full depth."""
    never, at_once = (1.0,) * (manifest.depths - 1), (0.0,) * (manifest.depths - 1)
    ends = manifest.macs(at_once, 1), manifest.macs(never, manifest.depths)
    return [f"{v / 1e9:.3f}GMAC" for v in np.geomspace(*ends, points + 2)[1:-1]]


def sweep(folder: Path, out: Path, model: str = "default", starts: int = 1) -> dict[str, Any]:
    """Evaluate all points, one after the other since time is taken; writes OUT/sweep.json and sweep.png."""
    manifest = Tracker.load(model).manifest
    depths = [f"depth:{k}" for k in range(1, manifest.depths)]
    budgets = budgets_between(manifest)
    names = [DEFAULT, "full", *depths, *budgets, RANDOM, *BASELINES]
    document = evaluate_folder(folder, out, model, names, starts)
    kinds = {"budget": (DEFAULT, *budgets), "depth": (*depths, "full"), "random": (RANDOM,)}
    points = {}
    for name, row in document["contenders"].items():
        kind = next((kind for kind, those in kinds.items() if name in those), "other")
        points[name] = {
            "kind": kind,
            "auc": row["auc"],
            "ms": row.get("ms"),
            "mmac": row.get("mmac"),
            "mean_depth": row.get("mean_depth"),
        }
    swept = {
        "folder": document["folder"],
        "model": document["model"],
        "starts": starts,
        "threads": 1,
        "host": document["host"],
        "points": points,
    }
    (out / "sweep.json").write_text(json.dumps(swept, indent=1) + "\n")
    write_scatter(swept, out / "sweep.png")
    return swept


def write_scatter(document: dict[str, Any], path: Path) -> None:
    """AUC against ms of update (logarithmic), and against MMAC for ours."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, key, label in (
        (left, "ms", "ms per update, one thread"),
        (right, "mmac", "mean MMAC per frame"),
    ):
        rows = {n: p for n, p in document["points"].items() if p[key] is not None}
        for kind, colour in COLOURS.items():
            of_kind = sorted((p[key], p["auc"]) for p in rows.values() if p["kind"] == kind)
            if of_kind:
                x, y = zip(*of_kind, strict=True)
                axes.plot(
                    x, y, "o-" if kind in ("budget", "depth") else "o", color=colour, label=_LABELS[kind]
                )
        axes.set_xlabel(label)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    left.set_xscale("log")
    left.set_ylabel(f"success AUC, {document['folder']} set")
    left.legend(loc="lower right", fontsize=8)
    right.margins(x=0.12, y=0.2)
    for axes, key in ((left, "ms"), (right, "mmac")):
        named = {n: p for n, p in document["points"].items() if p[key] is not None}
        if axes is left:
            named = {n: p for n, p in named.items() if p["kind"] != "budget" or n == DEFAULT}
        label_points(axes, {n: (p[key], p["auc"]) for n, p in named.items()})
    figure.savefig(path, dpi=110)


_LABELS = {
    "budget": "gates, by budget",
    "depth": "fixed depth",
    "random": "random depth",
    "other": "OpenCV",
}
