"""A NAS-Bench-101 cell as data: graph, operations, pruning, published hash.

Vertex 0 is the input, the last one the output; every edge goes from a lower
to a higher vertex. Source: Ying et al. 2019, arXiv 1902.09635, section 2.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

CONV3X3, CONV1X1, MAXPOOL3X3 = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
OPS = (CONV3X3, CONV1X1, MAXPOOL3X3)
MAX_VERTICES, MAX_EDGES = 7, 9


@dataclass(frozen=True)
class CellSpec:
    """Edges (i, j) with i < j, and the operations of the interior vertices in order."""

    vertices: int
    edges: frozenset[tuple[int, int]]
    ops: tuple[str, ...]

    @classmethod
    def from_edges(cls, ops: Iterable[str], edges: Iterable[tuple[int, int]]) -> "CellSpec":
        ops = tuple(ops)
        return cls(len(ops) + 2, frozenset(edges), ops)

    @classmethod
    def from_matrix(cls, matrix: Iterable[Iterable[int]], ops: Iterable[str]) -> "CellSpec":
        """From V×V rows of 0 and 1 and the V − 2 interior operations.

        Raises:
            ValueError: the matrix is not square or not strictly upper triangular.
        """
        rows = [list(row) for row in matrix]
        if any(len(row) != len(rows) for row in rows):
            raise ValueError(
                f"cell matrix: got rows of {[len(r) for r in rows]}, expected a square of {len(rows)}"
            )
        edges = [(i, j) for i, row in enumerate(rows) for j, bit in enumerate(row) if bit]
        if any(i >= j for i, j in edges):
            raise ValueError("cell matrix: got an edge on or below the diagonal, expected upper triangular")
        return cls(len(rows), frozenset(edges), tuple(ops))

    @classmethod
    def from_code(cls, vertices: int, adj: int, ops: int) -> "CellSpec":
        """From the compact table's numbers.

        Edge i→j is bit i + j(j−1)/2 of `adj`; `ops` is a base-3 number,
        vertex 1 most significant, digits in the order of OPS.
        """
        edges = [(i, j) for j in range(vertices) for i in range(j) if adj >> (i + j * (j - 1) // 2) & 1]
        digits = [ops // 3 ** (vertices - 2 - k) % 3 for k in range(1, vertices - 1)]
        return cls.from_edges((OPS[d] for d in digits), edges)

    @property
    def output(self) -> int:
        return self.vertices - 1

    def sources(self, vertex: int) -> list[int]:
        """Vertices with an edge into `vertex`, ascending."""
        return sorted(i for i, j in self.edges if j == vertex)

    def targets(self, vertex: int) -> list[int]:
        """Vertices that `vertex` has an edge into, ascending."""
        return sorted(j for i, j in self.edges if i == vertex)

    def pruned(self) -> "CellSpec":
        """Return the cell without the vertices that lie on no path from input to output.

        Raises:
            ValueError: input and output are not connected.
        """
        forward, backward = {0}, {self.output}
        for j in range(1, self.vertices):
            if any(i in forward for i in self.sources(j)):
                forward.add(j)
        for i in reversed(range(self.output)):
            if any(j in backward for j in self.targets(i)):
                backward.add(i)
        keep = sorted(forward & backward)
        if 0 not in keep or self.output not in keep:
            raise ValueError("cell: the output cannot be reached from the input")
        new = {old: i for i, old in enumerate(keep)}
        edges = frozenset((new[i], new[j]) for i, j in self.edges if i in new and j in new)
        return CellSpec(len(keep), edges, tuple(self.ops[v - 1] for v in keep[1:-1]))

    def validated(self) -> "CellSpec":
        """Return the pruned cell, checked against the limits of the space.

        Raises:
            ValueError: an unknown operation, an edge that is not i < j within
                the graph, more than 7 vertices or 9 edges, or no path.
        """
        if len(self.ops) != self.vertices - 2:
            raise ValueError(
                f"cell: got {len(self.ops)} operations for {self.vertices} vertices, expected V - 2"
            )
        unknown = sorted(set(self.ops) - set(OPS))
        if unknown:
            raise ValueError(f"cell: got operation {unknown[0]!r}, expected one of {', '.join(OPS)}")
        if any(not 0 <= i < j < self.vertices for i, j in self.edges):
            raise ValueError(
                "cell: got an edge that does not go from a lower to a higher vertex of the graph"
            )
        cell = self.pruned()
        if cell.vertices > MAX_VERTICES or len(cell.edges) > MAX_EDGES:
            raise ValueError(
                f"cell: got {cell.vertices} vertices and {len(cell.edges)} edges, "
                f"expected at most {MAX_VERTICES} and {MAX_EDGES}"
            )
        return cell

    def hash(self) -> str:
        """Return the published md5 of the pruned graph, equal for isomorphic cells (nasbench graph_util)."""
        cell = self.pruned()
        labels = [-1, *(OPS.index(op) for op in cell.ops), -2]
        marks = [
            _md5(str((len(cell.targets(v)), len(cell.sources(v)), labels[v]))) for v in range(cell.vertices)
        ]
        for _ in range(cell.vertices):
            marks = [
                _md5(
                    "".join(sorted(marks[i] for i in cell.sources(v)))
                    + "|"
                    + "".join(sorted(marks[j] for j in cell.targets(v)))
                    + "|"
                    + marks[v]
                )
                for v in range(cell.vertices)
            ]
        return _md5(str(sorted(marks)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
