"""All-reduce message by message: what every rank sends, counted, and whether the sum arrives.

Ring and 2-D torus after Patarasuk & Yuan 2009 (bandwidth-optimal ring) and
Ying et al. 2018 (arXiv 1811.06992), tree as a binomial reduce and broadcast.
The simulator knows no cost formula; training/distributed/cost_model.py has those,
and tests hold the two against each other up to 4,096 ranks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Messages:
    """Sent at the same time, by one kind of link: `chunks[i]` go from rank `source[i]` to `target[i]`.

    The target adds them to its own, or takes them in their place.
    """

    source: Indices
    target: Indices
    chunks: Indices
    add: bool


@dataclass(frozen=True)
class Counts:
    """steps: rounds of messages; sent_bytes, by rank; link_bytes: Σ over steps of the largest message.

    `complete` says whether every rank ended with the sum over all ranks.
    """

    steps: int
    sent_bytes: npt.NDArray[np.int64]
    link_bytes: int
    complete: bool


def simulate_ring(ranks: int, elements: int, element_bytes: int = 4) -> Counts:
    """Reduce-scatter and all-gather around one ring; the vector is padded to a multiple of `ranks`."""
    ring = np.arange(ranks)[None]
    blocks = np.arange(ranks)[None, :, None]
    steps = ([m] for m in (*_reduce_scatter(ring, blocks), *_all_gather(ring, blocks)))
    return _execute(steps, ranks, ranks, -(-elements // ranks) * element_bytes)


def simulate_torus(rows: int, columns: int, elements: int, element_bytes: int = 4) -> Counts:
    """Two halves at once, one starting along rows, the other along columns; both wait at a phase's end.

    The vector is padded to a multiple of 2 · rows · columns. Rows and
    columns have links of their own, which `link_bytes` takes as parallel.
    """
    ranks = rows * columns
    mesh = np.arange(ranks).reshape(rows, columns)
    halves = (_half(mesh, 0), _half(mesh.T, ranks))
    steps = (step for phases in zip(*halves, strict=True) for step in zip_longest(*phases))
    sent = ([m for m in step if m is not None] for step in steps)
    return _execute(sent, ranks, 2 * ranks, -(-elements // (2 * ranks)) * element_bytes)


def simulate_tree(ranks: int, elements: int, element_bytes: int = 4) -> Counts:
    """The whole vector up a binomial tree to rank 0, and down again."""
    everyone = np.arange(ranks)
    up, down = [], []
    for k in range((ranks - 1).bit_length()):
        child = everyone[everyone % 2 ** (k + 1) == 2**k]
        whole = np.zeros((len(child), 1), np.int64)
        up.append([Messages(child, child - 2**k, whole, add=True)])
        down.append([Messages(child - 2**k, child, whole, add=False)])
    return _execute(iter(up + down[::-1]), ranks, 1, elements * element_bytes)


def _half(mesh: Indices, first_chunk: int) -> list[list[Messages]]:
    """Three phases of the chunks from `first_chunk` on: along the mesh's rows, its columns, its rows."""
    rows, columns = mesh.shape
    chunks = first_chunk + np.arange(rows * columns).reshape(columns, rows)
    blocks = np.broadcast_to(chunks, (rows, columns, rows))
    owned = np.roll(chunks, -1, 0)[:, :, None]
    across = [*_reduce_scatter(mesh.T, owned), *_all_gather(mesh.T, owned)]
    return [list(_reduce_scatter(mesh, blocks)), across, list(_all_gather(mesh, blocks))]


def _reduce_scatter(rings: Indices, blocks: Indices) -> Iterator[Messages]:
    """Rings G×K of ranks, blocks G×K×M of chunks; afterwards place i of a ring owns block i + 1."""
    places = np.arange(rings.shape[1])
    for step in range(len(places) - 1):
        yield _around(rings, blocks, (places - step) % len(places), add=True)


def _all_gather(rings: Indices, blocks: Indices) -> Iterator[Messages]:
    """From place i owning block i + 1 to every place having every block."""
    places = np.arange(rings.shape[1])
    for step in range(len(places) - 1):
        yield _around(rings, blocks, (places + 1 - step) % len(places), add=False)


def _around(rings: Indices, blocks: Indices, which: Indices, add: bool) -> Messages:
    """Place i of every ring sends block which[i] to place i + 1."""
    sent = blocks[:, which].reshape(-1, blocks.shape[2])
    return Messages(rings.flatten(), np.roll(rings, -1, 1).flatten(), sent, add)


def _execute(steps: Iterator[list[Messages]], ranks: int, chunks: int, chunk_bytes: int) -> Counts:
    """Rank r starts with (r + 1)(c % 7 + 1) in chunk c; all messages of a step leave before any arrives."""
    data = np.outer(np.arange(1, ranks + 1), np.arange(chunks) % 7 + 1).astype(np.int32)
    goal = data.sum(0, dtype=np.int32)
    sent = np.zeros(ranks, np.int64)
    taken, link_bytes = 0, 0
    for step in steps:
        values = [data[m.source[:, None], m.chunks] for m in step]
        for m, value in zip(step, values, strict=True):
            place = (m.target[:, None], m.chunks)
            data[place] = data[place] + value if m.add else value
            np.add.at(sent, m.source, m.chunks.shape[1] * chunk_bytes)
        link_bytes += max(m.chunks.shape[1] for m in step) * chunk_bytes
        taken += 1
    return Counts(taken, sent, link_bytes, bool((data == goal).all()))
