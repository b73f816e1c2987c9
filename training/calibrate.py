"""Calibration: decoding constants, limits of presence and gate thresholds, in closed loop on held-out videos.

    python app.py calibrate tracker/zoo/depthgate-s.pack --data ../shared/data/video/val

1. Decoding constants are priors, and give way only to a gain that holds across data sets.
2. At every fixed depth, the limits of presence are the scores below which few good frames lie.
3. At full depth, the gates' probabilities of every frame are written down, and turned into thresholds.
4. Every row of thresholds is tracked in closed loop; rows that a cheaper one equals or beats are dropped.

Accuracy is success AUC: three starts a track, mean over the sources of a data set, then over data sets.
"""

import json
from collections.abc import Sequence as Several
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from eval.onepass.presence import called_lost
from eval.onepass.runner import START_SHIFTS
from eval.results.host import describe_host
from models.card import write_manifest
from tracker.manifest import DecodeConstants, Manifest, StateConstants, load_manifest
from training.calibration.decoding import tune
from training.calibration.passes import HeldOut, Pass, read_held_out
from training.calibration.presence import Presence, presence
from training.calibration.thresholds import (
    Row,
    Taus,
    candidates,
    cheapest_within,
    fixed_depth,
    measured_row,
    pareto,
)

ALMOST_NEVER = 1 - 1e-9  # the gate is evaluated, and not obeyed


def calibrate(folder: Path, data: Several[Path], starts: int = len(START_SHIFTS)) -> None:
    """Rewrite decode, state and thresholds of the artefact's manifest.

    Args:
        data: packs of annotated videos, each with its index.json.

    Raises:
        SourceError, ManifestError: data or artefact that cannot be read.
    """
    held_out = HeldOut(folder, read_held_out(data), starts, Console(stderr=True))
    manifest = load_manifest(folder)
    manifest = replace(manifest, decode=_decoding(held_out, manifest))
    found = _presence(held_out, manifest)
    limits = {key: tuple(getattr(exit_, key) for exit_ in found) for key in ("unsure", "lost", "found")}
    manifest = replace(manifest, state=StateConstants(**limits))
    fixed, called = _fixed(held_out, manifest)
    rows, full = fixed + _adaptive(held_out, manifest), fixed[-1]
    table = pareto(rows, manifest)
    chosen = cheapest_within(table, full.accuracy, manifest)
    raw: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    raw["decode"], raw["state"] = asdict(manifest.decode), asdict(manifest.state)
    raw["thresholds"] = {
        "default": list(chosen.tau),
        "table": [asdict(row) for row in table],
        "measured": [asdict(row) for row in rows],
        "presence": [asdict(f) | share for f, share in zip(found, called, strict=True)],
        "data": ", ".join(path.name for path in data),
        "tracks": len(held_out.sequences),
        "starts": starts,
        "host": describe_host(),
    }
    write_manifest(folder, raw)
    held_out.say(f"default τ {_text(chosen.tau)}: AUC {chosen.accuracy:.4f}, full depth {full.accuracy:.4f}")


def _decoding(held_out: HeldOut, manifest: Manifest) -> DecodeConstants:
    """Tune the decoding where every score is believed, so that limits of presence play no part."""

    def measure(decode: DecodeConstants, text: str) -> list[Pass]:
        trial = replace(_trusting(manifest), decode=decode)
        return [p for depth in range(1, trial.depths + 1) for p in _at(held_out, trial, depth, text)]

    return tune(measure, held_out.say)


def _presence(held_out: HeldOut, manifest: Manifest) -> list[Presence]:
    """Return what every exit tells of presence, where nothing depends on it yet."""
    found = []
    for depth in range(1, manifest.depths + 1):
        passes = _at(held_out, _trusting(manifest), depth, f"presence at depth {depth}")
        found.append(presence(passes))
        area = "no frame absent" if found[-1].area is None else f"AUC-ROC {found[-1].area:.3f}"
        told = f"lost below {found[-1].lost}, unsure below {found[-1].unsure}, found from {found[-1].found}"
        held_out.say(f"depth {depth}: {told}; {area}")
    return found


def _fixed(held_out: HeldOut, manifest: Manifest) -> tuple[list[Row], list[dict[str, float]]]:
    """Measure a row for every fixed depth, and the shares of its good and absent frames called lost."""
    rows, called = [], []
    for depth in range(1, manifest.depths + 1):
        passes = _at(held_out, manifest, depth, f"depth {depth}")
        rows.append(measured_row(fixed_depth(depth, manifest.depths), passes, manifest.depths))
        good, absent = called_lost(passes)
        called.append({"good_called_lost": round(good, 4), "absent_called_lost": round(absent, 4)})
        held_out.say(
            f"depth {depth}: AUC {rows[-1].accuracy:.4f}; called lost: "
            f"{good:.1%} of the good frames, {absent:.1%} of the absent ones"
        )
    return rows, called


def _adaptive(held_out: HeldOut, manifest: Manifest) -> list[Row]:
    """Measure a row for every vector of thresholds that the gates' full-depth probabilities suggest."""
    evaluated = replace(manifest, default_tau=(ALMOST_NEVER,) * (manifest.depths - 1))
    heard = held_out.passes(evaluated, "full depth, gates heard")
    rows = []
    for tau in candidates(np.concatenate([p.gates for p in heard])):
        passes = held_out.passes(replace(manifest, default_tau=tau), _text(tau))
        rows.append(measured_row(tau, passes, manifest.depths))
        shown = " ".join(f"{s:.2f}" for s in rows[-1].share)
        held_out.say(f"τ {_text(tau)}  AUC {rows[-1].accuracy:.4f}  shares {shown}")
    return rows


def _at(held_out: HeldOut, manifest: Manifest, depth: int, text: str) -> list[Pass]:
    return held_out.passes(replace(manifest, default_tau=fixed_depth(depth, manifest.depths)), text)


def _trusting(manifest: Manifest) -> Manifest:
    """Return the manifest with limits under which every score of every exit is believed."""
    nothing = (0.0,) * manifest.depths
    return replace(manifest, state=StateConstants(nothing, nothing, nothing))


def _text(tau: Taus) -> str:
    return " ".join(f"{t:.3f}" for t in tau)
