"""Every contender on every sequence of a pack, resumable, and the table of it.

    python app.py eval folder ../shared/data/video/dev --out docs/results/first_light

Boxes are kept per contender and sequence under OUT/runs, so an interrupted
evaluation goes on where it stopped; a changed model or start is run anew.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eval.contenders import DEFAULT, RANDOM, known_contenders, make_contender
from eval.controls import RandomDepth
from eval.host import describe_host
from eval.metrics import Accuracy
from eval.peers import OPENCV
from eval.runner import START_SHIFTS, Contender, run
from eval.sequences import Sequence, read_frames, read_pack
from tracker import Tracker
from tracker.errors import SourceError

CARRIES = 0.05  # a depth carries a sequence's load when at least this share of its frames stop there


@dataclass(frozen=True)
class Row:
    """One contender on one sequence: accuracy, share of frames per depth, mean milliseconds of update."""

    accuracy: Accuracy
    share: list[float]
    ms: float


def evaluate_folder(
    folder: Path,
    out: Path,
    model: str = "default",
    contenders: list[str] | None = None,
    starts: int = 1,
    threads: int = 1,
) -> dict[str, Any]:
    """Run the contenders on a folder with index.json and write OUT/evaluation.json.

    Args:
        contenders: budgets of ours (`default`, `full`, `depth:1`, …), `random depth`, OpenCV peers by name;
            None: all of them.
        starts: 1, or 3: also from start boxes moved by 4 %.

    Returns the document that was written. Raises SourceError for an unknown
    contender or an unreadable folder.
    """
    sequences = read_pack(folder)
    tracker = Tracker.load(model, threads=threads)
    names = contenders or known_contenders(tracker)
    makers: dict[str, Callable[[], Contender]] = {}
    for name in names:
        if name != RANDOM:
            make_contender(name, tracker)
            makers[name] = partial(make_contender, name, tracker)
    digest = _digest(tracker)
    rows: dict[str, dict[str, list[Row]]] = {}
    with _progress() as bar:
        task = bar.add_task("", total=len(names) * len(sequences) * starts)
        order = [name for name in names if name != RANDOM] + [name for name in names if name == RANDOM]
        for name in order:
            if name == RANDOM:
                shares = _shares_of(rows, sequences, DEFAULT)
                makers[name] = partial(RandomDepth, tracker, shares)
            key = {"starts": starts, "model": digest if name not in OPENCV else ""}
            if name == RANDOM:
                key["shares"] = [round(s, 4) for s in shares]
            rows[name] = {}
            for sequence in sequences:
                bar.update(task, description=f"{name} · {sequence.name}")
                part = (
                    out
                    / "runs"
                    / name.replace(":", "-").replace(" ", "-")
                    / f"{sequence.name.replace('/', '__')}.json"
                )
                rows[name][sequence.name] = _cached(
                    part, key, lambda s=sequence, n=name: _rows(makers[n](), s, starts)
                )
                bar.advance(task, starts)
    document = {
        "folder": folder.name,
        "model": f"{tracker.manifest.name}.{tracker.manifest.tag}",
        "model_digest": digest,
        "starts": starts,
        "threads": threads,
        "host": describe_host(),
        "sequences": {
            s.name: {"frames": len(s.boxes), "in_mean": s.same_frames_as is None} for s in sequences
        },
        "contenders": {name: _summary(rows[name], sequences, tracker.depths) for name in names},
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "evaluation.json").write_text(json.dumps(document, indent=1) + "\n")
    return document


def _rows(contender: Contender, sequence: Sequence, starts: int) -> list[Row]:
    frames = list(read_frames(sequence.video))
    out = []
    for shift in START_SHIFTS[:starts]:
        done = run(contender, frames, sequence, shift)
        counts = np.bincount(done.depths[1:], minlength=1)[1:]
        share = (counts / max(1, counts.sum())).tolist()
        out.append(Row(done.accuracy(sequence), share, float(done.seconds.mean() * 1e3)))
    return out


def _cached(path: Path, key: dict[str, Any], compute: Callable[[], list[Row]]) -> list[Row]:
    if path.is_file():
        kept = json.loads(path.read_text())
        if kept["key"] == key:
            return [Row(Accuracy(**row["accuracy"]), row["share"], row["ms"]) for row in kept["rows"]]
    rows = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"key": key, "rows": [asdict(row) for row in rows]}))
    return rows


def _padded(share: list[float], depths: int) -> list[float]:
    return [*share, *([0.0] * (depths - len(share)))]


def _summary(rows: dict[str, list[Row]], sequences: list[Sequence], depths: int) -> dict[str, Any]:
    """Means over the sequences that count; every start of a sequence weighs the same."""
    counted = [s.name for s in sequences if s.same_frames_as is None]

    def mean(field: str) -> float:
        return float(np.mean([np.mean([getattr(r.accuracy, field) for r in rows[name]]) for name in counted]))

    frames = np.array([rows[name][0].accuracy.frames for name in counted])
    ms = np.array([np.mean([r.ms for r in rows[name]]) for name in counted])
    summary: dict[str, Any] = {field: round(mean(field), 4) for field in ("auc", "ao", "sr50", "p20")}
    summary["ms_in_this_run"] = round(float((ms * frames).sum() / frames.sum()), 3)
    shares = {name: _padded(rows[name][0].share, depths) for name in counted}
    if any(rows[name][0].share for name in counted):
        summary["share"] = [round(float(s), 4) for s in np.mean(list(shares.values()), 0)]
        summary["mean_depth"] = round(float(np.dot(summary["share"], range(1, depths + 1))), 3)
        summary["sequences_where_two_depths_carry"] = sum(
            sum(s >= CARRIES for s in v) >= 2 for v in shares.values()
        )
    summary["by_sequence"] = {
        name: {
            "auc": [round(r.accuracy.auc, 4) for r in parts],
            "share": [round(s, 4) for s in parts[0].share],
        }
        for name, parts in rows.items()
    }
    return summary


def _shares_of(rows: dict[str, dict[str, list[Row]]], sequences: list[Sequence], name: str) -> list[float]:
    if name not in rows:
        raise SourceError(f"contender: {RANDOM!r} needs {name!r} beside it, whose shares it draws from")
    counted = [rows[name][s.name][0].share for s in sequences if s.same_frames_as is None]
    depths = max(len(share) for share in counted)
    return [float(v) for v in np.mean([_padded(share, depths) for share in counted], 0)]


def _digest(tracker: Tracker) -> str:
    """Of everything that decides a box: graphs, decoding, thresholds."""
    import hashlib

    raw = {k: tracker.manifest.raw[k] for k in ("files", "decode", "state", "thresholds", "geometry")}
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:16]


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        transient=True,
    )
