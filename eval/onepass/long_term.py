"""Presence over a folder in which targets leave and return.

python app.py eval presence ../shared/data/video/dev --out docs/results/presence/dev.json
"""

from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from eval.contenders.names import describe_model, make_contender
from eval.data.sequences import Sequence, read_frames, read_sequences
from eval.onepass.presence import Told, summary
from eval.onepass.runner import START_SHIFTS, run
from eval.results.host import describe_host
from eval.results.store import write_json
from tracker import Tracker
from tracker.boxes import overlap


def evaluate_presence(
    folder: Path, out: Path, model: str = "default", names: tuple[str, ...] = ("default",), starts: int = 3
) -> dict[str, Any]:
    """Track a folder's sequences, each start box, at the budgets `names`, and write `out`.

    Returns the document that was written. Raises SourceError or BudgetError as the readers do.
    """
    sequences = [s for s in read_sequences(folder) if s.same_frames_as is None]
    parts = Parallel(n_jobs=-1)(delayed(_told)(s, model, names, starts) for s in sequences)
    document = {
        **describe_model(Tracker.load(model)),
        "host": describe_host(),
        "data": folder.name,
        "sequences": len(sequences),
        "starts": starts,
        "contenders": {name: summary([told for part in parts for told in part[name]]) for name in names},
    }
    write_json(out, document)
    return document


def _told(sequence: Sequence, model: str, names: tuple[str, ...], starts: int) -> dict[str, list[Told]]:
    frames, tracker = list(read_frames(sequence.video)), Tracker.load(model)
    told: dict[str, list[Told]] = {name: [] for name in names}
    for name in names:
        for shift in START_SHIFTS[:starts]:
            done = run(make_contender(name, tracker), frames, sequence, shift)
            rows = slice(done.first + 1, done.first + len(done.boxes))
            overlaps = np.where(sequence.visible[rows], overlap(done.boxes[1:], sequence.boxes[rows]), np.nan)
            told[name].append(Told(done.scores[1:], done.present[1:], overlaps))
    return told
