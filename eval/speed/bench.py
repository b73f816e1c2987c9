"""Milliseconds of Tracker.update at every fixed depth and the default budget, beside peers, in one run.

python app.py bench --data DIR --peers-from run_peers.py --json docs/results/first_light/bench.json
"""

from collections.abc import Sequence as Frames
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import cv2

from eval.contenders.base import Contender, Ours
from eval.contenders.names import describe_model
from eval.contenders.peers import load_peers, make_peer
from eval.data.sequences import Sequence, read_frames, read_pack
from eval.results.host import describe_host
from eval.results.store import file_for, write_json
from eval.speed.turns import time_in_turns
from tracker import Tracker
from tracker.arrays import Image
from tracker.errors import SourceError

FRAMES_PER_SEQUENCE = 120


def bench(
    folder: Path,
    sequences: list[str],
    model: str = "default",
    peers_from: Path | None = None,
    peers: list[str] | None = None,
    json_file: Path | None = None,
) -> dict[str, Any]:
    """Time ours and the peers in turns on the first frames of the sequences, one thread each.

    Args:
        peers: names of OpenCV's trackers, or that the module `peers_from` knows.

    Raises SourceError for a sequence, a peer or a peers' module that is not there.
    """
    if json_file is not None:
        file_for(json_file)
    videos = _videos(folder, sequences)
    cv2.setNumThreads(1)
    tracker = Tracker.load(model, threads=1)
    budgets = [None, "full", *(f"depth:{k}" for k in range(1, tracker.depths))]
    contenders: dict[str, Contender] = {budget or "default": Ours(tracker, budget) for budget in budgets}
    module = None if peers_from is None else load_peers(peers_from)
    contenders |= {name: make_peer(name, module) for name in peers or []}
    timings = time_in_turns(contenders, videos)
    full = timings["full"].mean
    document = {
        **describe_model(tracker),
        "sequences": sequences,
        "frames_per_sequence": FRAMES_PER_SEQUENCE,
        "threads": 1,
        "host": describe_host(),
        "ms": {
            name: {**{k: round(v, 4) for k, v in asdict(t).items()}, "of_full": round(t.mean / full, 4)}
            for name, t in timings.items()
        },
    }
    if json_file is not None:
        write_json(json_file, document)
    return document


def _videos(folder: Path, names: list[str]) -> list[tuple[Sequence, Frames[Image]]]:
    """Read the named sequences and decode their frames, both cut to the first FRAMES_PER_SEQUENCE."""
    by_name = {s.name: s for s in read_pack(folder)}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise SourceError(
            f"bench: {folder} has no sequence {missing[0]!r}; for example {next(iter(by_name))!r}"
        )
    heads = [by_name[name].head(FRAMES_PER_SEQUENCE) for name in names]
    return [(head, list(islice(read_frames(head.video), len(head.boxes)))) for head in heads]
