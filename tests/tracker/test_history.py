import numpy as np
import pytest

from tracker import history
from tracker.history import History, Thinned
from tracker.state import LOST, TRACKED, UNSURE
from tracker.tracker import Prediction


def seen(state: str = TRACKED, depth: int = 1, score: float = 0.9, seconds: float = 0.004) -> Prediction:
    return Prediction((0.0, 0.0, 9.0, 9.0), score, state != LOST, depth, seconds, state)


def held(value) -> int:
    """How many objects hang on it."""
    if isinstance(value, (list, tuple)):
        return 1 + sum(held(part) for part in value)
    if isinstance(value, (Thinned, History)):
        return 1 + sum(held(part) for part in vars(value).values())
    return len(value) if isinstance(value, dict) else 1


def test_memory_does_not_grow_with_the_run(monkeypatch):
    monkeypatch.setattr(history, "SAMPLE", 64)
    monkeypatch.setattr(history, "MOMENTS", 16)
    run, sizes = History(), []
    for i in range(20_000):
        run.add(i, seen(LOST if i % 7 == 0 else TRACKED, 1 + i % 4))
        sizes.append(held(run) if i % 97 == 0 else 0)
    assert max(sizes[10_000:]) <= max(sizes[:10_000]) < 200
    assert run.frames == 20_000 and run.lost == 2858 and sum(m.frames for m in run.moments) == 20_000


def test_a_short_run_is_kept_frame_by_frame():
    run = History()
    seconds = np.random.default_rng(0).uniform(0.001, 0.02, 500)
    for i, s in enumerate(seconds):
        run.add(i, seen(depth=1 + i % 4, seconds=float(s)))
    assert run.percentiles_ms(50, 95) == pytest.approx(np.percentile(seconds, (50, 95)) * 1e3)
    assert [m.frames for m in run.moments] == [1] * 500 and run.mean_depth == pytest.approx(2.5)
    assert run.depths == {1: 125, 2: 125, 3: 125, 4: 125}


def test_a_long_runs_moments_keep_what_was_worst(monkeypatch):
    monkeypatch.setattr(history, "MOMENTS", 4)
    run = History()
    for i in range(64):
        run.add(
            i, seen(LOST if i == 9 else UNSURE if i == 40 else TRACKED, 2, 0.1 if i == 9 else 0.9, i / 1e3)
        )
    ends = np.cumsum([m.frames for m in run.moments])
    assert ends[-1] == 64 and len(run.moments) <= 9
    lost, unsure = (int(np.searchsorted(ends, i, side="right")) for i in (9, 40))
    assert run.moments[lost].state == LOST and run.moments[lost].score == 0.1
    assert [m.state for m in run.moments].count(LOST) == 1 and run.moments[unsure].state == UNSURE
    assert run.moments[-1].seconds == pytest.approx(0.063)


def spans(*lost: int) -> list[str]:
    run = History()
    for i in range(100):
        run.add(i, seen(LOST if i in lost else TRACKED))
    return run.lost_spans()


def test_many_lost_spans_are_folded():
    assert spans() == []
    assert spans(3, 4, 5, 9) == ["lost in frames 3 to 5", "lost in frames 9 to 9"]
    many = spans(*range(0, 40, 2), 90, 91)
    assert many[:5] == [f"lost in frames {i} to {i}" for i in (0, 2, 4, 6, 8)]
    assert many[5:] == ["and in 16 more spans, the last 90 to 91"]


@pytest.mark.parametrize("count", [1, 6, 48, 49, 97, 1000])
def test_what_is_thinned_stays_even(count):
    kept: Thinned[int] = Thinned(48)
    for i in range(count):
        kept.add(lambda: i)  # noqa: B023 - it is called at once
    gaps = np.diff(kept.items)
    assert kept.items[0] == 0 and len(kept.items) <= 48 and (gaps == gaps[:1]).all()
    assert len(kept.items) >= min(count, 24)
