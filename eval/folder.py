"""Every contender on every sequence of a pack, resumable, and the table of it.

    python app.py eval folder ../shared/data/video/dev --out docs/results/first_light

Boxes are kept per contender and sequence under OUT/runs, so an interrupted
evaluation goes on where it stopped; a changed model or start is run anew.
Sequences run side by side through joblib (`jobs`), on a cluster by its
backends; milliseconds are only taken one after the other, with one job.
"""

import functools
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eval.contenders import DEFAULT, RANDOM, known_contenders, make_contender
from eval.controls import RandomDepth
from eval.host import describe_host
from eval.metrics import Accuracy
from eval.peers import OPENCV
from eval.runner import START_SHIFTS, run
from eval.sequences import Sequence, read_frames, read_sequences
from tracker import Tracker
from tracker.errors import SourceError

CARRIES = 0.05  # a depth carries a sequence's load when at least this share of its frames stop there


@dataclass(frozen=True)
class Row:
    """One contender on one sequence from one start.

    share: of frames per depth; ms: mean of update, None when others ran
    beside it; first: frame of the start; boxes: xywh from there on.
    """

    accuracy: Accuracy
    share: list[float]
    ms: float | None
    first: int
    boxes: list[list[float]]


@dataclass(frozen=True)
class Job:
    """What a worker needs to run one contender on one sequence."""

    name: str
    model: str
    shares: tuple[float, ...]
    sequence: Sequence
    starts: int
    timed: bool


def evaluate_folder(
    folder: Path,
    out: Path,
    model: str = "default",
    contenders: list[str] | None = None,
    starts: int = 1,
    jobs: int = 1,
) -> dict[str, Any]:
    """Run the contenders on a folder of sequences and write OUT/evaluation.json.

    Args:
        contenders: budgets of ours (`default`, `full`, `depth:1`, …), `random depth`, OpenCV peers by name;
            None: all of them.
        starts: 1, or 3: also from start boxes moved by 4 %.
        jobs: sequences side by side; boxes are the same as with 1, milliseconds are then left out.

    Returns the document that was written. Raises SourceError for an unknown
    contender or an unreadable folder.
    """
    sequences = read_sequences(folder)
    tracker = Tracker.load(model)
    names = contenders or known_contenders(tracker)
    for name in names:
        if name != RANDOM:
            make_contender(name, tracker)
    if RANDOM in names and DEFAULT not in names:
        raise SourceError(f"contender: {RANDOM!r} needs {DEFAULT!r} beside it, whose shares it draws from")
    digest = _digest(tracker)
    rows: dict[str, dict[str, list[Row]]] = {}
    with _progress() as bar:
        task = bar.add_task("", total=len(names) * len(sequences))
        for name in sorted(names, key=lambda name: name == RANDOM):
            bar.update(task, description=name)
            shares = tuple(_mean_shares(rows[DEFAULT], sequences)) if name == RANDOM else ()
            key = {"starts": starts, "model": "" if name in OPENCV else digest}
            if shares:
                key["shares"] = [round(s, 4) for s in shares]
            todo = [Job(name, model, shares, s, starts, jobs == 1) for s in sequences]
            rows[name] = {}
            parts = [out / "runs" / _file(name) / f"{_file(s.name)}.json" for s in sequences]
            done = Parallel(n_jobs=jobs, return_as="generator")(
                delayed(_kept_or_run)(job, part, key) for job, part in zip(todo, parts, strict=True)
            )
            for sequence, result in zip(sequences, done, strict=True):
                rows[name][sequence.name] = result
                bar.advance(task)
    document = {
        "folder": folder.name,
        "model": f"{tracker.manifest.name}.{tracker.manifest.tag}",
        "model_digest": digest,
        "starts": starts,
        "threads": 1,
        "host": describe_host(),
        "sequences": {
            s.name: {"frames": len(s.boxes), "in_mean": s.same_frames_as is None} for s in sequences
        },
        "contenders": {name: _summary(rows[name], sequences, tracker.depths) for name in names},
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "evaluation.json").write_text(json.dumps(document, indent=1) + "\n")
    return document


def read_rows(out: Path, name: str, sequence: str) -> list[Row]:
    """The kept rows of one contender on one sequence, one a start.

    Raises:
        SourceError: it was not run, or its file is damaged.
    """
    path = out / "runs" / _file(name) / f"{_file(sequence)}.json"
    rows = _read(path)
    if rows is None:
        raise SourceError(f"eval: {path} is missing or damaged; run eval folder again, it makes it anew")
    return rows[1]


def _file(name: str) -> str:
    return name.replace("/", "__").replace(":", "-").replace(" ", "-")


def _kept_or_run(job: Job, path: Path, key: dict[str, Any]) -> list[Row]:
    """The kept rows when they were made by the same model from the same starts, else new ones."""
    kept = _read(path)
    if kept is not None and kept[0] == key and (not job.timed or kept[1][0].ms is not None):
        return kept[1]
    rows = _rows(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"key": key, "rows": [asdict(row) for row in rows]}))
    part.replace(path)
    return rows


def _read(path: Path) -> tuple[dict[str, Any], list[Row]] | None:
    """Key and rows of a kept file; None when there is none or it cannot be read whole."""
    try:
        kept = json.loads(path.read_text())
        return kept["key"], [Row(**{**row, "accuracy": Accuracy(**row["accuracy"])}) for row in kept["rows"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _rows(job: Job) -> list[Row]:
    tracker = _tracker(job.model)
    contender = RandomDepth(tracker, job.shares) if job.name == RANDOM else make_contender(job.name, tracker)
    frames = list(read_frames(job.sequence.video))
    rows = []
    for shift in START_SHIFTS[: job.starts]:
        try:
            done = run(contender, frames, job.sequence, shift)
        except ValueError as error:
            raise SourceError(f"eval: {error}") from error
        counts = np.bincount(done.depths[1:], minlength=1)[1:]
        rows.append(
            Row(
                accuracy=done.accuracy(job.sequence),
                share=(counts / max(1, counts.sum())).tolist(),
                ms=float(done.seconds.mean() * 1e3) if job.timed else None,
                first=done.first,
                boxes=done.boxes.round(3).tolist(),
            )
        )
    return rows


@functools.lru_cache(1)
def _tracker(model: str) -> Tracker:
    return Tracker.load(model)


def _padded(share: list[float], depths: int) -> list[float]:
    return [*share, *([0.0] * (depths - len(share)))]


def _counted(sequences: list[Sequence]) -> list[str]:
    """Those in the mean: a video that is there twice under two names counts once."""
    return [s.name for s in sequences if s.same_frames_as is None]


def _summary(rows: dict[str, list[Row]], sequences: list[Sequence], depths: int) -> dict[str, Any]:
    """Means over the sequences that count; every start of a sequence weighs the same."""
    counted = _counted(sequences)

    def mean(field: str) -> float:
        return float(np.mean([np.mean([getattr(r.accuracy, field) for r in rows[name]]) for name in counted]))

    summary: dict[str, Any] = {field: round(mean(field), 4) for field in ("auc", "ao", "sr50", "p20")}
    timed = [(r.ms, r.accuracy.frames) for name in counted for r in rows[name] if r.ms is not None]
    if timed:
        ms, frames = np.array(timed).T
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


def _mean_shares(rows: dict[str, list[Row]], sequences: list[Sequence]) -> list[float]:
    counted = [rows[name][0].share for name in _counted(sequences)]
    depths = max(len(share) for share in counted)
    return [float(v) for v in np.mean([_padded(share, depths) for share in counted], 0)]


def _digest(tracker: Tracker) -> str:
    """Of everything that decides a box: graphs, decoding, thresholds."""
    raw = {k: tracker.manifest.raw[k] for k in ("files", "decode", "state", "geometry")}
    raw["default"] = tracker.manifest.raw["thresholds"]["default"]
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:16]


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        transient=True,
    )
