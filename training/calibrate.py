"""Calibration: decoding constants and gate thresholds, in closed loop on held-out videos.

    python app.py calibrate tracker/zoo/depthgate-s.pack --data ../shared/data/video/val

1. At full depth, one constant after another takes the value with the best
   accuracy; the score below which a target is lost is the highest that costs none.
2. At full depth, the gates' probabilities of every frame are written down.
3. Shares of frames per depth q_k ∝ r^k are turned into thresholds by their
   quantiles (Huang et al. 2018, MSDNet, section 4.1), one row a ratio r and
   a set of exits: one that is left out has τ = 1 and costs nothing.
4. Every row is tracked in closed loop; rows that a cheaper one equals or beats are dropped.

Accuracy is success AUC, three starts a track, averaged by source video.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Sequence as Several
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import track

from eval.contenders.base import Ours
from eval.data.sequences import Sequence, read_frames, read_pack
from eval.onepass.runner import START_SHIFTS, run
from eval.results.host import describe_host
from models.export import write_manifest
from tracker import Tracker
from tracker.boxes import overlap
from tracker.engine import OrtEngine, StageOutput
from tracker.gates import stop_probability
from tracker.manifest import NEVER, DecodeConstants, Manifest, StateConstants, load_manifest

RATIOS = (0.25, 0.5, 1.0, 1.7, 3.0)
DECODING = {
    "size_rate": (0.35, 0.5, 0.7, 0.85, 1.0),
    "window": (0.25, 0.35, 0.45, 0.55),
    "penalty": (0.0, 0.02, 0.06, 0.14),
}
LOST = (0.1, 0.15, 0.2, 0.3)
ALMOST_NEVER = 1 - 1e-9  # the gate is evaluated, and not obeyed
UNSURE_QUANTILE = 0.05
TOLERANCE = 0.005
LOST_TOLERANCE = 0.002

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pass:
    """One track from one start: AUC, and a row a frame of stops, gate probabilities, scores and overlaps."""

    source_video: str
    auc: float
    depths: npt.NDArray[np.int64]
    gates: Floats
    scores: Floats
    overlaps: Floats


@dataclass(frozen=True)
class Row:
    """Thresholds with the accuracy and the shares of frames per depth that they gave."""

    tau: tuple[float, ...]
    share: tuple[float, ...]
    accuracy: float

    def cost(self, manifest: Manifest) -> float:
        """Mean committed seconds of a frame."""
        return sum(share * manifest.seconds(self.tau, k) for k, share in enumerate(self.share, start=1))


@dataclass(frozen=True)
class _Val:
    """What every measurement shares."""

    folder: Path
    sequences: list[Sequence]
    starts: int
    console: Console

    def passes(self, manifest: Manifest, text: str) -> list[Pass]:
        """All tracks and starts, in parallel; only accuracy is taken, never time."""
        jobs = (delayed(_track)(self.folder, manifest, sequence, self.starts) for sequence in self.sequences)
        done = Parallel(n_jobs=-1, return_as="generator_unordered")(jobs)
        parts = list(track(done, text, len(self.sequences), console=self.console, transient=True))
        return sorted((p for part in parts for p in part), key=lambda p: (p.source_video, p.auc))

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False)


def calibrate(folder: Path, data: Path, starts: int = len(START_SHIFTS)) -> None:
    """Rewrite decode, state and thresholds of the artefact's manifest.

    Raises:
        SourceError, ManifestError: data or artefact that cannot be read.
    """
    val = _Val(folder, read_pack(data), starts, Console(stderr=True))
    manifest = load_manifest(folder)
    never = (NEVER,) * (manifest.depths - 1)
    manifest = _tune(val, replace(manifest, default_tau=never))
    evaluated = replace(manifest, default_tau=(ALMOST_NEVER,) * (manifest.depths - 1))
    full = val.passes(evaluated, "full depth, gates heard")
    state = StateConstants(_unsure(full, manifest.state.lost), manifest.state.lost)
    gates = np.concatenate([p.gates for p in full])
    rows = [_row(never, full, manifest.depths)]
    for tau in candidates(gates):
        rows.append(_row(tau, val.passes(replace(manifest, default_tau=tau), _text(tau)), manifest.depths))
        shown = " ".join(f"{s:.2f}" for s in rows[-1].share)
        val.say(f"τ {_text(tau)}  AUC {rows[-1].accuracy:.4f}  shares {shown}")
    table = pareto(rows, manifest)
    chosen = cheapest_within(table, rows[0].accuracy, manifest)
    raw: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    raw["decode"], raw["state"] = asdict(manifest.decode), asdict(state)
    raw["thresholds"] = {
        "default": list(chosen.tau),
        "table": [asdict(row) for row in table],
        "measured": [asdict(row) for row in rows],
        "data": data.name,
        "tracks": len(val.sequences),
        "starts": starts,
        "host": describe_host(),
    }
    write_manifest(folder, raw)
    val.say(f"default τ {_text(chosen.tau)}: AUC {chosen.accuracy:.4f}, full depth {rows[0].accuracy:.4f}")


def candidates(gates: Floats) -> list[tuple[float, ...]]:
    """Thresholds worth a measurement, from n × D − 1 probabilities at full depth.

    Every fixed depth, and every set of exits at every ratio.
    """
    gated = gates.shape[1]
    fixed = [tuple(0.0 if k >= depth else NEVER for k in range(gated)) for depth in range(gated)]
    adaptive = [
        thresholds(gates, shares(exits, gated + 1, ratio))
        for count in range(1, gated + 1)
        for exits in combinations(range(gated), count)
        for ratio in RATIOS
    ]
    return fixed + adaptive


def shares(exits: Several[int], depths: int, ratio: float) -> Floats:
    """D shares of frames: of the exits (from 0) and the last depth each `ratio` times the one before."""
    used = [*exits, depths - 1]
    weights = np.zeros(depths)
    weights[used] = ratio ** np.arange(len(used), dtype=np.float64)
    return np.asarray(weights / weights.sum())


def thresholds(gates: Floats, wanted: Floats) -> tuple[float, ...]:
    """τ per gate, so that of the frames in `gates` (n × D − 1 probabilities) those shares stop there.

    An exit that nobody shall take gets NEVER.
    """
    left = np.ones(len(gates), bool)
    taus = []
    for k in range(gates.shape[1]):
        stop = wanted[k] / max(wanted[k:].sum(), 1e-12)
        tau = float(np.quantile(gates[left, k], 1 - stop)) if stop > 0 and left.any() else NEVER
        left &= gates[:, k] <= tau
        taus.append(round(tau, 5))
    return tuple(taus)


def pareto(rows: Iterable[Row], manifest: Manifest) -> list[Row]:
    """The rows in order of cost, without those that a cheaper one equals or beats: accuracy rises."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda r: (r.cost(manifest), -r.accuracy)):
        if not kept or row.accuracy > kept[-1].accuracy:
            kept.append(row)
    return kept


def cheapest_within(table: list[Row], accuracy: float, manifest: Manifest) -> Row:
    """The cheapest row that loses at most TOLERANCE against `accuracy`."""
    return min(
        (row for row in table if row.accuracy >= accuracy - TOLERANCE), key=lambda row: row.cost(manifest)
    )


def _tune(val: _Val, manifest: Manifest) -> Manifest:
    """Coordinate search at full depth; a constant of decoding is changed only for a better accuracy."""

    def measured(trial: Manifest, text: str) -> float:
        accuracy = _mean(val.passes(trial, text))
        val.say(f"{text}: AUC {accuracy:.4f}")
        return accuracy

    manifest = replace(manifest, state=StateConstants(0.0, 0.0))
    best = measured(manifest, "decoding as exported")
    for key, values in DECODING.items():
        exported = manifest
        for value in values:
            if value == getattr(exported.decode, key):
                continue
            trial = replace(manifest, decode=DecodeConstants(**{**asdict(manifest.decode), key: value}))
            accuracy = measured(trial, f"{key} {value}")
            if accuracy > best:
                best, manifest = accuracy, trial
    for value in LOST:
        trial = replace(manifest, state=StateConstants(value, value))
        if measured(trial, f"lost {value}") < best - LOST_TOLERANCE:
            break
        manifest = trial
    return manifest


def _unsure(passes: list[Pass], lost: float) -> float:
    """The score below which only UNSURE_QUANTILE of the well tracked frames lie (overlap above half)."""
    scores = np.concatenate([p.scores[p.overlaps > 0.5] for p in passes])
    return round(max(lost, float(np.quantile(scores, UNSURE_QUANTILE))), 3) if len(scores) else lost


class _Listening(OrtEngine):
    """Keeps the gate probabilities of every frame."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        super().__init__(folder, manifest)
        self.heard: list[float] = []

    def stage(self, k: int, *inputs: Any) -> StageOutput:
        output = super().stage(k, *inputs)
        if output.gate is not None:
            self.heard.append(stop_probability(output))
        return output


def _track(folder: Path, manifest: Manifest, sequence: Sequence, starts: int) -> list[Pass]:
    engine = _Listening(folder, manifest)
    contender = Ours(Tracker(engine, manifest), None)
    frames = list(read_frames(sequence.video))
    passes = []
    for shift in START_SHIFTS[:starts]:
        engine.heard.clear()
        done = run(contender, frames, sequence, shift)
        rows = slice(done.first + 1, done.first + len(done.boxes))
        full = len(engine.heard) == (manifest.depths - 1) * (len(done.boxes) - 1)
        passes.append(
            Pass(
                source_video=sequence.source_video,
                auc=done.accuracy(sequence).auc,
                depths=done.depths[1:],
                gates=np.reshape(engine.heard if full else [], (-1, manifest.depths - 1)),
                scores=done.scores[1:],
                overlaps=overlap(done.boxes[1:], sequence.boxes[rows]),
            )
        )
    return passes


def _by_video(passes: list[Pass], value: Any) -> Floats:
    """Mean of value(pass) over the passes of each source video, then over the videos."""
    groups = defaultdict(list)
    for p in passes:
        groups[p.source_video].append(value(p))
    return np.mean([np.mean(group, 0) for group in groups.values()], 0)


def _mean(passes: list[Pass]) -> float:
    return float(_by_video(passes, lambda p: p.auc))


def _row(tau: tuple[float, ...], passes: list[Pass], depths: int) -> Row:
    counts = _by_video(
        passes, lambda p: np.bincount(p.depths, minlength=depths + 1)[1:] / max(1, len(p.depths))
    )
    return Row(tau, tuple(round(float(s), 4) for s in counts), round(_mean(passes), 4))


def _text(tau: tuple[float, ...]) -> str:
    return " ".join(f"{t:.3f}" for t in tau)
