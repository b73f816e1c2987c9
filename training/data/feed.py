"""The batches of a plan, in order, made ahead of time by threads.

A plan is an iterable of (start, count), one a batch; counts may grow. Sample
i depends on i alone, so the number of workers moves no sample, a rank's plan
is its share of every global batch (training.schedule.plan.pieces), and a run
resumes by a plan that begins later. Threads serve, since decoding and resizing release the
interpreter's lock; processes would have to copy every crop.

Source: Ying et al. 2018, arXiv 1811.06992 (prefetched, parallel input).
"""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

B = TypeVar("B", bound="DataclassInstance")
B_co = TypeVar("B_co", bound="DataclassInstance", covariant=True)

AHEAD_SAMPLES = 256
"""About 80 MB of crops."""


class Stream(Protocol[B_co]):
    """Where samples come from, called from several threads.

    A batch is a dataclass whose fields are arrays, samples first, or dicts of such arrays.
    """

    def batch(self, start: int, count: int) -> B_co:
        """Make samples start … start + count − 1; of none, arrays of length 0."""
        ...


def feed(
    stream: Stream[B],
    plan: Iterable[tuple[int, int]],
    workers: int = 1,
    ahead_samples: int = AHEAD_SAMPLES,
) -> Generator[B, None, None]:
    """Yield every batch of `plan`, in its order.

    Args:
        plan: (start, count) of batches; drawn from as far ahead as batches are made.
        workers: threads; a batch is cut into as many pieces.
        ahead_samples: made beyond the batch in use, at most; but always one
            batch, however large. 0 makes each batch when it is asked for.

    Whatever a worker raises comes when its batch is asked for. Closing the
    iterator, or an error, drops what was not begun and waits for the rest.
    """
    pool = ThreadPoolExecutor(workers, "feed")
    parts = iter(plan)
    try:
        queue: deque[tuple[int, list[Future[B]]]] = deque()
        upcoming = next(parts, None)
        while upcoming or queue:
            if not queue and upcoming:
                queue.append(_begin(pool, stream, upcoming, workers))
                upcoming = next(parts, None)
            pieces = queue.popleft()[1]
            while ahead_samples and upcoming and _fits(queue, upcoming[1], ahead_samples):
                queue.append(_begin(pool, stream, upcoming, workers))
                upcoming = next(parts, None)
            yield joined([piece.result() for piece in pieces])
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def joined(pieces: list[B]) -> B:
    """One batch of consecutive pieces, in their order."""
    if len(pieces) == 1:
        return pieces[0]
    columns = {f.name: [getattr(piece, f.name) for piece in pieces] for f in fields(pieces[0])}
    return replace(pieces[0], **{name: _concatenated(values) for name, values in columns.items()})


def _concatenated(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return {key: np.concatenate([value[key] for value in values]) for key in values[0]}
    return np.concatenate(values)


def _begin(
    pool: ThreadPoolExecutor, stream: Stream[B], part: tuple[int, int], workers: int
) -> tuple[int, list[Future[B]]]:
    start, count = part
    pieces = max(1, min(workers, count))
    bounds = [start + count * i // pieces for i in range(pieces + 1)]
    return count, [pool.submit(stream.batch, a, b - a) for a, b in pairwise(bounds)]


def _fits(queue: deque[tuple[int, list[Future[B]]]], count: int, ahead_samples: int) -> bool:
    return not queue or sum(waiting for waiting, _ in queue) + count <= ahead_samples
