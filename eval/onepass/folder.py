"""Every contender on every sequence of a pack, resumable, and the table of it.

    python app.py eval folder ../shared/data/video/dev --out docs/results/first_light

Boxes are kept per contender and sequence under OUT/runs, so an interrupted
evaluation goes on where it stopped; what a changed model, start, video or
annotation touches is run anew. Sequences run side by side through joblib
(`jobs`), on a cluster by its backends; milliseconds are only taken one after
the other, with one job, and only given for what one run timed as a whole.
"""

import functools
import json
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from joblib import Parallel, delayed
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eval.contenders.base import Contender
from eval.contenders.controls import RandomDepth
from eval.contenders.names import (
    DEFAULT,
    RANDOM,
    describe_model,
    known_contenders,
    make_contender,
    model_digest,
    origin,
)
from eval.data.sequences import Sequence, read_frames, read_sequences
from eval.onepass.metrics import Accuracy
from eval.onepass.runner import START_SHIFTS, run
from eval.results.host import describe_host
from eval.results.store import digest, folder_for, video_stamp, write_json
from tracker import Tracker
from tracker.errors import SourceError

CARRIES = 0.05  # a depth carries a sequence's load when at least this share of its frames stop there


@dataclass(frozen=True)
class Row:
    """One contender on one sequence from one start.

    share: of frames per depth; mmac: mean of the updates in 10⁶, None where it
    is not known; ms: mean of update, None when others ran beside it; run:
    when the evaluation began that took the ms; first: frame of the start;
    boxes: xywh from there on; lost: the rows of them in which it said LOST.
    """

    accuracy: Accuracy
    share: list[float]
    mmac: float | None
    ms: float | None
    run: str
    first: int
    boxes: list[list[float]]
    lost: list[int]


@dataclass(frozen=True)
class Job:
    """What a worker needs to run one contender on one sequence; `key` is all that its boxes depend on."""

    name: str
    model: str
    shares: tuple[float, ...]
    sequence: Sequence
    starts: int
    run: str
    timed: bool
    key: str


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
        jobs: sequences side by side; boxes are the same as with 1, milliseconds are then not taken.

    Returns the document that was written. Raises SourceError for an unknown
    contender, an unreadable folder, or an `out` that cannot be one.
    """
    sequences = read_sequences(folder)
    tracker = Tracker.load(model)
    names = known_contenders(tracker) if contenders is None else contenders
    origins = _origins(names, tracker)
    folder_for(out)
    rows: dict[str, dict[str, list[Row]]] = {}
    now = datetime.now(UTC).isoformat()
    with _progress() as bar:
        task = bar.add_task("", total=len(names) * len(sequences))
        for name in sorted(names, key=lambda name: name == RANDOM):
            bar.update(task, description=name)
            shares = tuple(_mean_shares(rows[DEFAULT], sequences)) if name == RANDOM else ()
            todo = [
                Job(name, model, shares, s, starts, now, jobs == 1, _key(s, starts, origins[name], shares))
                for s in sequences
            ]
            done = Parallel(n_jobs=jobs, return_as="generator")(
                delayed(_cached_or_run)(job, _place(out, name, job.sequence.name)) for job in todo
            )
            rows[name] = {}
            for sequence, result in zip(sequences, done, strict=True):
                rows[name][sequence.name] = result
                bar.advance(task)
    document = {
        "folder": folder.name,
        **describe_model(tracker),
        "starts": starts,
        "threads": 1,
        "host": describe_host(),
        "sequences": {
            s.name: {"frames": len(s.boxes), "in_mean": s.same_frames_as is None} for s in sequences
        },
        "contenders": summaries({name: rows[name] for name in names}, sequences, tracker.depths),
    }
    write_json(out / "evaluation.json", document)
    return document


def _origins(names: list[str], tracker: Tracker) -> dict[str, str]:
    """Return what each contender's boxes depend on beside the video; refuse an unknown name."""
    if RANDOM in names and DEFAULT not in names:
        raise SourceError(f"contender: {RANDOM!r} needs {DEFAULT!r} beside it, whose shares it draws from")
    return {
        name: model_digest(tracker) if name == RANDOM else origin(make_contender(name, tracker))
        for name in names
    }


def _key(sequence: Sequence, starts: int, made_by: str, shares: tuple[float, ...]) -> str:
    return digest(made_by, starts, shares, video_stamp(sequence.video), sequence.boxes)


def read_rows(out: Path, name: str, sequence: str) -> list[Row]:
    """Read the stored rows of one contender on one sequence, one row per start.

    Raises:
        SourceError: it was not run, or its file is damaged.
    """
    path = _place(out, name, sequence)
    rows = _read(path)
    if rows is None:
        raise SourceError(f"eval: {path} is missing or damaged; run eval folder again, it makes it anew")
    return rows[1]


def _place(out: Path, *names: str) -> Path:
    """Name the file of a contender and a sequence: two names never share one."""
    *folders, file = (quote(name, safe="") for name in names)
    return (out / "runs").joinpath(*folders, f"{file}.json")


def _cached_or_run(job: Job, path: Path) -> list[Row]:
    """Return the stored rows if all that they depend on is unchanged, else run the contender anew."""
    kept = _read(path)
    if kept is not None and kept[0] == job.key and (not job.timed or kept[1][0].ms is not None):
        return kept[1]
    rows = _rows(job)
    write_json(path, {"key": job.key, "rows": [asdict(row) for row in rows]})
    return rows


def _read(path: Path) -> tuple[str, list[Row]] | None:
    """Read key and rows of a stored file; None when there is none or it cannot be read whole."""
    try:
        kept = json.loads(path.read_text())
        return kept["key"], [Row(**{**row, "accuracy": Accuracy(**row["accuracy"])}) for row in kept["rows"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _rows(job: Job) -> list[Row]:
    contender = _contender(job)
    frames = list(read_frames(job.sequence.video))
    rows = []
    for shift in START_SHIFTS[: job.starts]:
        done = run(contender, frames, job.sequence, shift)
        counts = np.bincount(done.depths[1:], minlength=1)[1:]
        rows.append(
            Row(
                accuracy=done.accuracy(job.sequence),
                share=(counts / max(1, counts.sum())).tolist(),
                mmac=float(done.macs[1:].mean() / 1e6) if done.macs.any() else None,
                ms=float(done.seconds.mean() * 1e3) if job.timed and len(done.seconds) else None,
                run=job.run,
                first=done.first,
                boxes=done.boxes.round(3).tolist(),
                lost=np.flatnonzero(~done.present).tolist(),
            )
        )
    return rows


def _contender(job: Job) -> Contender:
    tracker = _tracker(job.model)
    if job.name != RANDOM:
        return make_contender(job.name, tracker)
    updates = len(job.sequence.boxes) - 1 - int(np.argmax(job.sequence.visible))
    return RandomDepth(tracker, job.shares, updates, seed=zlib.crc32(job.sequence.name.encode()))


@functools.lru_cache(1)
def _tracker(model: str) -> Tracker:
    return Tracker.load(model)


def _padded(share: list[float], depths: int) -> list[float]:
    return [*share, *([0.0] * (depths - len(share)))]


def _counted(sequences: list[Sequence]) -> list[str]:
    """Return the sequences that count: a video that is there twice under two names counts once."""
    return [s.name for s in sequences if s.same_frames_as is None]


def summaries(
    rows: dict[str, dict[str, list[Row]]], sequences: list[Sequence], depths: int
) -> dict[str, dict[str, Any]]:
    """Summarise every contender; `ms` only where the newest run timed all its sequences.

    Times compare within one run, so those that were kept from an earlier one are left out.
    """
    counted = _counted(sequences)
    parts = [r for named in rows.values() for name in counted for r in named[name] if r.ms is not None]
    newest = max((r.run for r in parts), default="")
    return {name: _summary(named, counted, depths, newest) for name, named in rows.items()}


def _summary(rows: dict[str, list[Row]], counted: list[str], depths: int, newest: str) -> dict[str, Any]:
    """Average over the sequences that count; every start of a sequence weighs the same."""

    def mean(value: Callable[[Row], float]) -> float:
        return float(np.mean([np.mean([value(row) for row in rows[name]]) for name in counted]))

    fields = ("auc", "ao", "sr50", "p20")
    summary: dict[str, Any] = {f: round(mean(attrgetter(f"accuracy.{f}")), 4) for f in fields}
    flat = [row for name in counted for row in rows[name]]
    if all(row.ms is not None and row.run == newest for row in flat):
        weights = [row.accuracy.frames for row in flat]
        summary["ms"] = round(float(np.average([row.ms for row in flat], weights=weights)), 3)
    if any(row.share for row in flat):
        shares = {name: _padded(rows[name][0].share, depths) for name in counted}
        summary["share"] = [round(float(s), 4) for s in np.mean(list(shares.values()), 0)]
        summary["mean_depth"] = round(float(np.dot(summary["share"], range(1, depths + 1))), 3)
        summary["mmac"] = round(mean(lambda r: r.mmac or 0.0), 1)
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


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        transient=True,
    )
