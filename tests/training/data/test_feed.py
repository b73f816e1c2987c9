import itertools
import threading
import time

import numpy as np
import pytest

from tests.training.data.test_shards import rows
from training.data.feed import feed
from training.data.pairs import Batch, PairStream
from training.data.shards import open_shards
from training.data.write_shards import write_shards
from training.schedule.plan import StepPlan, Update, pieces

GROWING = [(0, 3), (3, 3), (6, 7), (13, 16), (29, 40), (69, 1)]


class Numbers:
    """A stream whose sample i is the number i; remembers what was asked of it."""

    def __init__(self, seconds=lambda start: 0.0):
        self.seconds, self.asked, self.lock = seconds, [], threading.Lock()

    def batch(self, start, count):
        with self.lock:
            self.asked.append((start, count))
        time.sleep(self.seconds(start))
        numbers = np.arange(start, start + count)
        crop = numbers.astype(np.uint8).reshape(-1, 1, 1, 1)
        return Batch(
            {256: crop}, {128: crop}, np.tile(numbers[:, None], 4).astype(np.float32), numbers % 2 > 0
        )

    def samples_asked(self):
        with self.lock:
            return sum(count for _, count in self.asked)


def numbers(batch: Batch) -> list[int]:
    found = batch.boxes[:, 0].astype(int).tolist()
    assert batch.search[256].reshape(-1).tolist() == batch.template[128].reshape(-1).tolist() == found
    assert batch.present.tolist() == [i % 2 > 0 for i in found]
    return found


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("ahead", [0, 1, 20, 1000])
def test_growing_batches_come_whole_and_in_order_even_when_later_ones_are_ready_first(workers, ahead):
    stream = Numbers(lambda start: 0.004 if start % 2 == 0 else 0.0)
    got = [numbers(batch) for batch in feed(stream, iter(GROWING), workers, ahead_samples=ahead)]
    assert got == [list(range(start, start + count)) for start, count in GROWING]


def test_ranks_see_disjoint_parts_of_the_same_batches():
    updates = [Update(start, count, StepPlan(1.0, count, 0.9)) for start, count in GROWING[:-1]]
    ranks = [
        [numbers(b) for b in feed(Numbers(), (p for u in updates for p in pieces(u, None, 3, rank)), 2)]
        for rank in range(3)
    ]
    for update, parts in zip(updates, zip(*ranks, strict=True), strict=True):
        assert sum(parts, []) == list(range(update.start, update.start + update.count))


@pytest.fixture(params=["raw", "shards"])
def store(request, painted_store, tmp_path):
    if request.param == "raw":
        return painted_store
    write_shards([row for row in rows() if min(row.image.shape[:2]) > 100], tmp_path, "painted")
    return open_shards(tmp_path)


def test_real_batches_do_not_depend_on_workers_and_resume_in_the_middle(store):
    plan = [(0, 4), (4, 6), (10, 9)]
    whole = PairStream(store, 7, "exits").batch(0, 19)
    for workers, begin in ((1, 0), (3, 0), (4, 1), (2, 2)):
        for batch, (start, count) in zip(
            feed(PairStream(store, 7, "exits"), plan[begin:], workers), plan[begin:], strict=True
        ):
            for side in whole.search:
                assert np.array_equal(batch.search[side], whole.search[side][start : start + count])
            for side in whole.template:
                assert np.array_equal(batch.template[side], whole.template[side][start : start + count])
            assert np.array_equal(batch.boxes, whole.boxes[start : start + count])
            assert np.array_equal(batch.present, whole.present[start : start + count])


def settled(stream: Numbers, expected: int) -> int:
    """Samples asked for, once they are as many as expected and had time to become more."""
    until = time.monotonic() + 10
    while stream.samples_asked() < expected and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(0.02)
    return stream.samples_asked()


@pytest.mark.parametrize(
    "batch, ahead, expected",
    [
        pytest.param(4, 12, 16, id="three batches fit"),
        pytest.param(4, 15, 16, id="three and a part"),
        pytest.param(50, 12, 100, id="one is made ahead however large"),
        pytest.param(4, 0, 4, id="none ahead"),
    ],
)
def test_no_more_is_made_ahead_than_allowed(batch, ahead, expected):
    stream = Numbers()
    batches = feed(stream, ((start, batch) for start in itertools.count(0, batch)), 2, ahead_samples=ahead)
    next(batches)
    assert settled(stream, expected) == expected
    next(batches)
    assert settled(stream, expected + batch) == expected + batch
    batches.close()


class Broken(Exception):
    pass


class BreaksAt(Numbers):
    def batch(self, start, count):
        if start <= 10 < start + count:
            raise Broken(f"at {start}")
        return super().batch(start, count)


def feed_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("feed")]


def test_an_error_in_a_worker_comes_with_its_batch_and_ends_the_threads():
    got = []
    with pytest.raises(Broken, match="at 9"):
        for batch in feed(BreaksAt(), [(0, 6), (6, 6), (12, 6)], 2):
            got.append(numbers(batch))
    assert got == [[0, 1, 2, 3, 4, 5]]
    assert not feed_threads()


def test_leaving_the_loop_ends_the_threads_and_drops_what_was_not_begun():
    stream = Numbers(lambda start: 0.02)
    batches = feed(stream, ((start, 1) for start in itertools.count()), 2, ahead_samples=200)
    next(batches)
    assert feed_threads()
    batches.close()
    assert not feed_threads()
    assert stream.samples_asked() < 201


def test_an_error_of_the_plan_reaches_the_loop():
    def plan():
        yield 0, 2
        raise Broken("plan")

    with pytest.raises(Broken, match="plan"):
        list(feed(Numbers(), plan()))
    assert not feed_threads()
