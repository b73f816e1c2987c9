"""Any drawn cell to its row of the space in three look-ups, for searchers that draw by the million.

A raw cell is an adjacency of seven vertices (21 bits, as CellSpec.from_code
numbers them) with five operations (a base-3 code below 243). Vertices on no
path are pruned, as the benchmark does, before the limits are checked.
"""

from functools import lru_cache
from itertools import permutations

import numpy as np
import numpy.typing as npt

from models.cell_spec import MAX_EDGES, MAX_VERTICES
from models.nas.space import edge_bit, enumerate_space, relabelling, row_key
from tracker.arrays import Ints

INTERIOR = MAX_VERTICES - 2
OPS_CODES = 3**INTERIOR
ILLEGAL = -1


class RawIndex:
    """Rows of raw cells; built once, about a second."""

    def __init__(self) -> None:
        adj = np.arange(1 << MAX_VERTICES * (MAX_VERTICES - 1) // 2, dtype=np.uint32)
        keep = _on_a_path(adj)
        self._kept = np.zeros(len(adj), np.uint8)
        self._graph = np.full(len(adj), ILLEGAL, np.int32)
        self._pruned_ops = np.stack([_pruned_codes(mask) for mask in range(1 << INTERIOR)])
        rows: list[npt.NDArray[np.int32]] = []
        count = 0
        tables = {v: _rows_of_graphs(v) for v in range(2, MAX_VERTICES + 1)}
        offsets = {}
        for v, (_, table) in tables.items():
            offsets[v] = count
            count += len(table)
            rows.append(table)
        self._rows = np.concatenate(rows)
        for mask in range(1 << INTERIOR):
            here = np.flatnonzero(keep == mask)
            pruned = _compressed(adj[here], mask)
            vertices = 2 + mask.bit_count()
            graphs = tables[vertices][0]
            place = np.searchsorted(graphs, pruned).clip(max=len(graphs) - 1)
            found = graphs[place] == pruned
            self._graph[here[found]] = offsets[vertices] + place[found]
            self._kept[here] = mask

    def rows(self, adj: npt.ArrayLike, ops: npt.ArrayLike) -> Ints:
        """Rows of the space, ILLEGAL (−1) where the cell is not of it."""
        a, o = np.asarray(adj), np.asarray(ops)
        graph = self._graph[a]
        row = self._rows[graph, self._pruned_ops[self._kept[a], o]]
        return np.asarray(np.where(graph == ILLEGAL, ILLEGAL, row), np.int64)

    def row(self, adj: int, ops: int) -> int:
        """`rows` of one cell; about a microsecond."""
        graph = self._graph.item(adj)
        return (
            ILLEGAL
            if graph == ILLEGAL
            else self._rows.item(graph, self._pruned_ops.item(self._kept.item(adj), ops))
        )


@lru_cache(1)
def raw_index() -> RawIndex:
    """Return the one index of the process."""
    return RawIndex()


def _on_a_path(adj: npt.NDArray[np.uint32]) -> Ints:
    """Mask of the interior vertices between input and output, bit v − 1; −1 when they are not connected."""
    edge = {(i, j): adj >> edge_bit(i, j) & 1 != 0 for j in range(MAX_VERTICES) for i in range(j)}
    last = MAX_VERTICES - 1
    forward = [np.ones(len(adj), bool)]
    for j in range(1, MAX_VERTICES):
        forward.append(np.logical_or.reduce([forward[i] & edge[i, j] for i in range(j)]))
    backward = {last: np.ones(len(adj), bool)}
    for i in reversed(range(last)):
        backward[i] = np.logical_or.reduce([backward[j] & edge[i, j] for j in range(i + 1, MAX_VERTICES)])
    mask = sum(((forward[v] & backward[v]).astype(np.int64) << (v - 1) for v in range(1, last)), start=0)
    return np.asarray(np.where(forward[last], mask, ILLEGAL), np.int64)


def _compressed(adj: npt.NDArray[np.uint32], mask: int) -> npt.NDArray[np.uint32]:
    """Return the adjacency among input, the kept interior vertices and output."""
    kept = [0, *(v for v in range(1, MAX_VERTICES - 1) if mask >> (v - 1) & 1), MAX_VERTICES - 1]
    out = np.zeros(len(adj), np.uint32)
    for b, old_j in enumerate(kept):
        for a, old_i in enumerate(kept[:b]):
            out |= (adj >> np.uint32(edge_bit(old_i, old_j)) & 1) << np.uint32(edge_bit(a, b))
    return out


def _pruned_codes(mask: int) -> Ints:
    """For every code of five operations, the code of those at the kept vertices."""
    codes = np.arange(OPS_CODES)
    out = np.zeros(OPS_CODES, np.int64)
    for v in range(INTERIOR):
        if mask >> v & 1:
            out = 3 * out + codes // 3 ** (INTERIOR - 1 - v) % 3
    return out


def _rows_of_graphs(vertices: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32]]:
    """All whole adjacencies of that size, ascending, and their rows by operations' code (G×243)."""
    space = enumerate_space()
    interior = vertices - 2
    adj = np.arange(1 << vertices * (vertices - 1) // 2, dtype=np.uint32)
    adj = adj[np.bitwise_count(adj) <= MAX_EDGES]
    for v in range(vertices):
        into = np.uint32(sum(1 << edge_bit(i, v) for i in range(v)))
        out = np.uint32(sum(1 << edge_bit(v, j) for j in range(v + 1, vertices)))
        adj = adj[((adj & into != 0) | (v == 0)) & ((adj & out != 0) | (v == vertices - 1))]
    codes = np.arange(3**interior)
    digits = [codes // 3 ** (interior - 1 - k) % 3 for k in range(interior)]
    best = np.full((len(adj), len(codes)), np.iinfo(np.int64).max)
    for order in permutations(range(1, vertices - 1)):
        low, high = relabelling(vertices, order)
        moved = (low[adj & 2047] | high[adj >> 11]).astype(np.int64)
        labels = sum(
            (digits[old - 1] * 3 ** (interior - 1 - k) for k, old in enumerate(order)), start=0 * codes
        )
        best = np.minimum(best, row_key(vertices, moved[:, None], labels[None, :]))
    table = np.full((len(adj), OPS_CODES), ILLEGAL, np.int32)
    table[:, : len(codes)] = np.searchsorted(space.keys, best)
    return adj, table
