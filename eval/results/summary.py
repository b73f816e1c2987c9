"""The few figures of a first page: five contenders as a table, or as one line.

Both take a document of `app.py bench --peers` (milliseconds, and AUC on the
timed frames) or of `app.py eval folder` (AUC on whole videos).
"""

from dataclasses import dataclass
from typing import Any

LABELS = {
    "default": "depthgate, calibrated budget",
    "full": "depthgate, every stage",
    "depth:1": "depthgate, first stage alone",
    "nanotrack_v3": "NanoTrack v3",
    "csrt": "OpenCV CSRT",
}
SHORT = {
    "default": "**depthgate**",
    "full": "every stage of it",
    "nanotrack_v3": "NanoTrack v3",
    "csrt": "OpenCV CSRT",
}


@dataclass(frozen=True)
class Figures:
    """Success AUC, and milliseconds of an update where they were taken."""

    auc: float
    ms: float | None = None
    p95: float | None = None


def figures(document: dict[str, Any]) -> dict[str, Figures]:
    """Those of the LABELS that the document knows, in their order."""
    if "contenders" in document:
        known = {n: Figures(row["auc"]) for n, row in document["contenders"].items()}
    else:
        known = {n: Figures(row["auc"], row["mean"], row["p95"]) for n, row in document["ms"].items()}
    return {name: known[name] for name in LABELS if name in known}


def summary_table(document: dict[str, Any]) -> str:
    """Return a table with a row per contender, fastest first; the document must have milliseconds."""
    lines = ["| tracker | ms a frame, mean | 95 % within | AUC on these frames |", "|---|---|---|---|"]
    rows = sorted(figures(document).items(), key=lambda row: row[1].ms or 0.0)
    lines += [f"| {LABELS[name]} | {f.ms:.1f} | {f.p95:.1f} | {_share(f.auc)} |" for name, f in rows]
    return "\n".join(lines)


def summary_line(document: dict[str, Any]) -> str:
    """Return a list item: what was measured on what, and the figures of the contenders in SHORT."""
    known = figures(document)
    parts = [f"{label} {_said(known[name])}" for name, label in SHORT.items() if name in known]
    return f"- {_measured(document)}: {'; '.join(parts)}."


def host_line(document: dict[str, Any]) -> str:
    """CPU, its flags and the threads that a document was measured with."""
    host = document["host"]
    return f"{host['cpu']}, {' '.join(host['flags'])}, {document['threads']} thread"


def _measured(document: dict[str, Any]) -> str:
    if "contenders" in document:
        videos = sum(s["in_mean"] for s in document["sequences"].values())
        return f"Success AUC over {videos} videos, one pass"
    clips, frames = len(document["sequences"]), document["frames_per_sequence"]
    return f"Milliseconds a frame on one core, and AUC, on {clips} clips of {frames} frames"


def _said(f: Figures) -> str:
    return _share(f.auc) if f.ms is None else f"{f.ms:.1f} ms, {_share(f.auc)}"


def _share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
