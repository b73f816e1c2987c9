"""What calibration measures: the tracker in closed loop on every track; means that treat data sets alike."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import track

from eval.contenders.base import Ours
from eval.data.sequences import Sequence, read_frames, read_pack
from eval.onepass.presence import Told
from eval.onepass.runner import START_SHIFTS, run
from tracker import Tracker
from tracker.arrays import Floats, Ints
from tracker.boxes import overlap
from tracker.engine import OrtEngine, StageOutput
from tracker.gates import stop_probability
from tracker.manifest import Manifest

SHORTEST = 6  # frames: what is shorter says nothing about closed loops

Source = tuple[str, str]


@dataclass(frozen=True)
class Pass(Told):
    """One track from one start: AUC, and a row a frame after the first.

    source: data set and source video; depths: where each frame stopped; gates: n × D − 1 probabilities,
    no row where not every gate was heard.
    """

    source: Source
    auc: float
    depths: Ints
    gates: Floats


@dataclass(frozen=True)
class HeldOut:
    """The tracks that every measurement shares, and the artefact that tracks them."""

    folder: Path
    sequences: list[Sequence]
    starts: int
    console: Console

    def passes(self, manifest: Manifest, text: str) -> list[Pass]:
        """Run all tracks and starts in parallel; only accuracy is taken, never time."""
        jobs = (delayed(_track)(self.folder, manifest, sequence, self.starts) for sequence in self.sequences)
        done = Parallel(n_jobs=-1, return_as="generator")(jobs)
        parts = track(done, text, len(self.sequences), console=self.console, transient=True)
        return [p for part in parts for p in part]

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False)


def read_held_out(folders: Iterable[Path]) -> list[Sequence]:
    """Read the tracks of several packs without very short ones and those that repeat another's frames.

    Raises:
        SourceError: a pack that cannot be read.
    """
    sequences = [s for folder in folders for s in read_pack(folder)]
    return [s for s in sequences if s.same_frames_as is None and len(s.boxes) >= SHORTEST]


def by_source(passes: Iterable[Pass], value: Callable[[Pass], Any]) -> dict[Source, Any]:
    """Average value(pass) over the passes of each source video."""
    groups = defaultdict(list)
    for p in passes:
        groups[p.source].append(value(p))
    return {source: np.mean(values, 0) for source, values in groups.items()}


def average(sources: dict[Source, Any]) -> Any:
    """Average over the sources of each data set, then over the data sets: each weighs the same."""
    groups = defaultdict(list)
    for (dataset, _), value in sources.items():
        groups[dataset].append(value)
    return np.mean([np.mean(values, 0) for values in groups.values()], 0)


def mean_auc(passes: Iterable[Pass]) -> float:
    """Average the AUC of the passes by source and data set."""
    return float(average(by_source(passes, lambda p: p.auc)))


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
                source=(sequence.dataset, sequence.source_video),
                auc=done.accuracy(sequence).auc,
                depths=done.depths[1:],
                gates=np.reshape(engine.heard if full else [], (-1, manifest.depths - 1)),
                scores=done.scores[1:],
                present=done.present[1:],
                overlaps=np.where(
                    sequence.visible[rows], overlap(done.boxes[1:], sequence.boxes[rows]), np.nan
                ),
            )
        )
    return passes
