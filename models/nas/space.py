"""The NAS-Bench-101 space: all 423,624 unique cells, each by one canonical code.

A cell is (vertices, adj, ops) as in CellSpec.from_code. Of all topological
relabellings of a graph the one with the smallest `adj` stands for it, and of
the labellings that its automorphisms make equal the smallest `ops`. Cells are
numbered in ascending (vertices, adj, ops), so an index is a place in a table.
Source: Ying et al. 2019, arXiv 1902.09635, section 2.2 (at most 7 vertices and
9 edges); the counts 1, 6, 84, 2,441, 62,010, 359,082 by vertices are theirs.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np
import numpy.typing as npt

from models.cell_spec import MAX_EDGES, MAX_VERTICES, OPS, CellSpec
from tracker.arrays import Ints

INVALID = np.uint32(1 << 31)


@dataclass(frozen=True)
class Space:
    """Columns of equal length, a row a cell, in canonical order."""

    vertices: npt.NDArray[np.uint8]
    adj: npt.NDArray[np.uint32]
    ops: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.adj)

    def __getitem__(self, row: int) -> CellSpec:
        return CellSpec.from_code(int(self.vertices[row]), int(self.adj[row]), int(self.ops[row]))

    @property
    def keys(self) -> Ints:
        """One ascending integer a cell."""
        return row_key(self.vertices, self.adj, self.ops)

    def index(self, cell: CellSpec) -> int:
        """Return the row of a cell, whatever its labelling.

        Raises:
            ValueError: the cell is not of the space; the message says why.
        """
        code = canonical(cell)
        return int(np.searchsorted(self.keys, row_key(*(np.int64(c) for c in code))))


@lru_cache(1)
def enumerate_space(max_vertices: int = MAX_VERTICES, max_edges: int = MAX_EDGES) -> Space:
    """All unique cells; about a fifth of a second."""
    parts = [_of_size(vertices, max_edges) for vertices in range(2, max_vertices + 1)]
    vertices = np.concatenate([np.full(len(adj), v + 2, np.uint8) for v, (adj, _) in enumerate(parts)])
    return Space(
        vertices, np.concatenate([adj for adj, _ in parts]), np.concatenate([ops for _, ops in parts])
    )


def canonical(cell: CellSpec) -> tuple[int, int, int]:
    """(vertices, adj, ops) of the representative of a cell's class, after pruning.

    Raises:
        ValueError: the cell is not legal.
    """
    cell = cell.validated()
    best: tuple[int, int] | None = None
    for order in permutations(range(1, cell.output)):
        place = {0: 0, cell.output: cell.output, **{old: new for new, old in enumerate(order, start=1)}}
        edges = [(place[i], place[j]) for i, j in cell.edges]
        if any(i >= j for i, j in edges):
            continue
        adj = sum(1 << edge_bit(i, j) for i, j in edges)
        ops = 0
        for old in order:
            ops = 3 * ops + OPS.index(cell.ops[old - 1])
        if best is None or (adj, ops) < best:
            best = adj, ops
    assert best is not None, "the identity is a topological order"
    return cell.vertices, *best


def row_key(vertices: npt.ArrayLike, adj: npt.ArrayLike, ops: npt.ArrayLike) -> Ints:
    """Integers that order cells as the space does."""
    v, a, o = (np.asarray(x, np.int64) for x in (vertices, adj, ops))
    return np.asarray((v << 32 | a) << 8 | o)


def edge_bit(i: int, j: int) -> int:
    """Place of edge i→j in an adjacency."""
    return i + j * (j - 1) // 2


def _of_size(vertices: int, max_edges: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    """Return adj and ops of all unique cells with that many vertices."""
    graphs, groups = _graphs(vertices, max_edges)
    labels = {group: _labellings(vertices, group) for group in set(groups)}
    ops = [labels[group] for group in groups]
    return np.repeat(graphs, [len(o) for o in ops]), np.concatenate(ops)


Group = tuple[tuple[int, ...], ...]


def _graphs(vertices: int, max_edges: int) -> tuple[npt.NDArray[np.uint32], list[Group]]:
    """Return the smallest adjacency of every class, ascending, with its automorphisms of the interior.

    A matrix is dropped as soon as one relabelling of it is smaller.
    """
    adj = np.arange(1 << vertices * (vertices - 1) // 2, dtype=np.uint32)
    adj = adj[np.bitwise_count(adj) <= max_edges]
    for v in range(vertices):
        into = np.uint32(sum(1 << edge_bit(i, v) for i in range(v)))
        out = np.uint32(sum(1 << edge_bit(v, j) for j in range(v + 1, vertices)))
        if v > 0:
            adj = adj[adj & into != 0]
        if v < vertices - 1:
            adj = adj[adj & out != 0]
    orders = list(permutations(range(1, vertices - 1)))
    tables = [relabelling(vertices, order) for order in orders]
    for low, high in tables[1:]:
        adj = adj[(low[adj & 2047] | high[adj >> 11]) >= adj]
    same = np.stack([(low[adj & 2047] | high[adj >> 11]) == adj for low, high in tables], 1)
    groups = [tuple(order for order, fits in zip(orders, row, strict=True) if fits) for row in same]
    return adj, groups


def relabelling(
    vertices: int, order: tuple[int, ...]
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Tables for the low 11 and the other bits of an adjacency: vertex order[k] becomes k + 1.

    An edge that would point backward sets a bit that makes the result larger than any matrix.
    """
    place = [0, *(order.index(v) + 1 for v in range(1, vertices - 1)), vertices - 1]
    image = np.zeros(21, np.uint32)
    for j in range(vertices):
        for i in range(j):
            a, b = place[i], place[j]
            image[edge_bit(i, j)] = np.uint32(1 << edge_bit(a, b)) if a < b else INVALID
    low, high = np.zeros(2048, np.uint32), np.zeros(1024, np.uint32)
    for bit in range(11):
        low |= np.where(np.arange(2048) >> bit & 1, image[bit], np.uint32(0))
    for bit in range(10):
        high |= np.where(np.arange(1024) >> bit & 1, image[11 + bit], np.uint32(0))
    return low, high


def _labellings(vertices: int, group: Group) -> npt.NDArray[np.uint8]:
    """Codes of the operations that no automorphism makes smaller, ascending."""
    interior = vertices - 2
    codes = np.arange(3**interior)
    digits = [codes // 3 ** (interior - 1 - k) % 3 for k in range(interior)]
    smallest = np.ones(len(codes), bool)
    for order in group:
        moved = sum(
            (digits[old - 1] * 3 ** (interior - 1 - k) for k, old in enumerate(order)), start=0 * codes
        )
        smallest &= codes <= moved
    return codes[smallest].astype(np.uint8)
