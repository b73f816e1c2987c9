from contextlib import ExitStack

import numpy as np
import pytest

from tests.tracker.test_history import seen
from tracker import record
from tracker.options import TrackOptions
from tracker.record import Record, evenly
from tracker.sources.source import Source


@pytest.mark.parametrize("count", [1, 5, 7, 47, 48, 49, 97, 1003])
def test_the_strip_is_even_and_ends_with_the_last_frame(tmp_path, monkeypatch, count):
    """Also on a stream, whose length nobody knows."""
    drawn = {}
    monkeypatch.setattr(
        record, "run_picture", lambda shots, *rest: drawn.update(shots=shots) or np.zeros((9, 9, 3))
    )
    options = TrackOptions("stream", picture=tmp_path / "out.png", start=10)
    frame = np.zeros((6, 8, 3), np.uint8)
    with ExitStack() as stack:
        run = Record(options, Source(), 0.0, 4, (0.2, 0.5), stack)
        for i in range(count):
            run.add(i / 25, frame, seen(), None)
        run.write_picture()
    numbers = [number for number, _ in drawn["shots"]]
    assert numbers[0] == 10 and numbers[-1] == 10 + count - 1 and len(numbers) == min(count, 6)
    gaps = np.diff(numbers)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 2 + count / 24


def test_evenly_takes_what_there_is():
    assert evenly([(3, "a")], 6) == [(3, "a")]
    assert evenly([(0, "a"), (9, "b"), (10, "c")], 2) == [(0, "a"), (10, "c")]


def test_a_record_does_not_grow_with_the_run(tmp_path):
    """What hangs on it after 3,000 frames is no more than after 1,500."""
    import pickle

    options, sizes = TrackOptions("stream", rows={"csv": tmp_path / "rows.csv"}), []
    with ExitStack() as stack:
        run = Record(options, Source(), 0.0, 4, (0.2, 0.5), stack)
        for i in range(3 * 4096):
            run.add(i / 25, np.zeros((1, 1, 3), np.uint8), seen(seconds=0.004), None)
            if i + 1 in (2 * 4096, 3 * 4096):
                sizes.append(len(pickle.dumps(vars(run._history))))
    assert sizes[1] <= sizes[0] * 1.05
