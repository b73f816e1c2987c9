"""Accuracy against milliseconds and MACs: the adaptive tracker over its budgets, fixed depths, and others.

python app.py eval sweep ../shared/data/video/dev --out docs/results/eval
"""

from pathlib import Path
from typing import Any

import numpy as np

from eval.contenders.names import DEFAULT, RANDOM
from eval.onepass.folder import evaluate_folder
from eval.results.figures import write_scatter
from eval.results.store import write_json
from tracker import Tracker
from tracker.manifest import Manifest

POINTS = 5
BASELINES = ("kcf-no-threshold", "csrt", "mosse")


def budgets_between(manifest: Manifest, points: int = POINTS) -> list[str]:
    """Return GMAC budgets spread geometrically between depth 1 and full depth."""
    never, at_once = (1.0,) * (manifest.depths - 1), (0.0,) * (manifest.depths - 1)
    ends = manifest.macs(at_once, 1), manifest.macs(never, manifest.depths)
    return [f"{v / 1e9:.3f}GMAC" for v in np.geomspace(*ends, points + 2)[1:-1]]


def sweep(folder: Path, out: Path, model: str = "default", starts: int = 1) -> dict[str, Any]:
    """Evaluate all points, one after the other since time is taken; writes OUT/sweep.json and sweep.png.

    An interrupted sweep keeps its accuracies, but points of an earlier run have no ms beside those of
    this one: times compare within one run only. Remove OUT/runs to take all of them again.
    """
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
        "model_digest": document["model_digest"],
        "starts": starts,
        "threads": 1,
        "host": document["host"],
        "points": points,
    }
    write_json(out / "sweep.json", swept)
    write_scatter(swept, out / "sweep.png")
    return swept
