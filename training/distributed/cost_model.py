"""What an all-reduce costs: the α–β model of ring, 2-D torus and tree.

A message of n bytes takes α + β n seconds; steps follow one another. With p
ranks, n bytes and a torus of R × C ranks whose two axes work at once:

    ring   2 (p − 1) steps              2 (p − 1) n / p bytes a rank
    torus  4 (max(R, C) − 1) steps      2 (p − 1) n / p bytes a rank, half of them on each axis if R = C
    tree   2 ⌈log₂ p⌉ steps             ⌈log₂ p⌉ n bytes sent by the busiest rank

Vectors that do not divide are padded, and the padding counts. Source:
Thakur, Rabenseifner & Gropp 2005 (α–β costs of ring and tree); the torus is
that of training/distributed/torus_all_reduce.py. Measure and fit on this machine:

    python -m training.evidence.all_reduce --out FILE.json
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cost:
    """Of one all-reduce.

    Attributes:
        steps: rounds of messages.
        sent_bytes: by the busiest rank.
        link_bytes: Σ over steps of the largest message; less than sent_bytes
            where a rank sends over several links at once, more where ranks take turns.
    """

    steps: int
    sent_bytes: int
    link_bytes: int


@dataclass(frozen=True)
class Link:
    """alpha: seconds a message; beta: seconds a byte."""

    alpha: float
    beta: float

    def seconds(self, steps: int, bytes_: int) -> float:
        return self.alpha * steps + self.beta * bytes_


def ring_cost(ranks: int, elements: int, element_bytes: int = 4) -> Cost:
    """Reduce-scatter, then all-gather, around one ring of at least one rank."""
    steps = 2 * (ranks - 1)
    sent = steps * math.ceil(elements / ranks) * element_bytes
    return Cost(steps, sent, sent)


def torus_cost(rows: int, columns: int, elements: int, element_bytes: int = 4) -> Cost:
    """Two halves at once, in step; 1 × n is a mesh too, though training does a flat all-reduce there.

    In the first and the third phase the half along the longer side L has
    messages of S chunks, the other of L chunks, and ends earlier; in the
    second all have one chunk.
    """
    ranks, long, short = rows * columns, max(rows, columns), min(rows, columns)
    chunk = math.ceil(elements / (2 * ranks)) * element_bytes
    outer = (short - 1) * long + (long - short) * short
    link = 2 * outer + 2 * (long - 1)
    return Cost(4 * (long - 1), 4 * (ranks - 1) * chunk, link * chunk)


def tree_cost(ranks: int, elements: int, element_bytes: int = 4) -> Cost:
    """Cost of sending the whole vector up a binomial tree to its root, and down again."""
    depth = math.ceil(math.log2(ranks)) if ranks > 1 else 0
    whole = elements * element_bytes
    return Cost(2 * depth, depth * whole, 2 * depth * whole)


def exposed_seconds(ready: Sequence[float], seconds: Sequence[float], backward: float) -> float:
    """How long training waits for communication after the backward.

    Args:
        ready: when each bucket's gradients are there, from the start of the backward, rising.
        seconds: of each bucket's all-reduce; buckets queue one after the other.
        backward: seconds of the whole backward.
    """
    end = 0.0
    for start, length in zip(ready, seconds, strict=True):
        end = max(end, start) + length
    return max(0.0, end - backward)


def update_seconds(
    compute: float, backward: float, buckets: Sequence[int], all_reduce: Callable[[int], float]
) -> float:
    """Seconds of one update with overlap.

    Args:
        compute: seconds of forward, backward and optimizer.
        backward: those of the backward among them.
        buckets: bytes of each bucket in the order of the backward; taken to
            be ready in proportion to the bytes so far.
        all_reduce: bytes to seconds.
    """
    ready = backward * np.cumsum(buckets) / sum(buckets)
    return compute + exposed_seconds(ready.tolist(), [all_reduce(b) for b in buckets], backward)


def fit(steps: Sequence[int], sent: Sequence[int], seconds: Sequence[float]) -> Link:
    """α and β >= 0 with the least squared *relative* error of α · steps + β · sent against seconds.

    Raises:
        ValueError: fewer than two measurements, or times that are not above 0.
    """
    measured = np.asarray(seconds, float)
    if len(measured) < 2 or (measured <= 0).any():
        raise ValueError(f"fit: got seconds {list(seconds)}, expected at least two, all above 0")
    rows = np.stack([np.asarray(steps, float), np.asarray(sent, float)], 1) / measured[:, None]
    scale = abs(rows).max(0)
    both, *_ = np.linalg.lstsq(rows / scale, np.ones(len(rows)), rcond=None)
    if (both < 0).any():
        alone = [column.sum() / (column @ column) for column in (rows / scale).T]
        both = np.where(both < 0, 0.0, alone)
    alpha, beta = (both / scale).tolist()
    return Link(alpha, beta)


def worst_error(link: Link, steps: Sequence[int], sent: Sequence[int], seconds: Sequence[float]) -> float:
    """Largest |predicted / measured − 1|."""
    pairs = zip(steps, sent, seconds, strict=True)
    return max(abs(link.seconds(s, b) / measured - 1) for s, b, measured in pairs)
