"""Steps in the space: a random cell, the cells within one edit, a mutation, and the distance of two cells."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from models.cell_spec import MAX_VERTICES, OPS, CellSpec
from models.nas.space import canonical


def random_cell(rng: np.random.Generator, vertices: int = MAX_VERTICES) -> CellSpec:
    """Every upper-triangular edge with probability ½, operations uniform, drawn until legal; pruned.

    As the published notebook does; not uniform over unique cells.
    """
    pairs = [(i, j) for j in range(vertices) for i in range(j)]
    while True:
        edges = [pair for pair, bit in zip(pairs, rng.random(len(pairs)) < 0.5, strict=True) if bit]
        cell = CellSpec.from_edges((OPS[k] for k in rng.integers(0, 3, vertices - 2)), edges)
        legal = _legal(cell)
        if legal is not None:
            return legal


def neighbours(cell: CellSpec) -> list[CellSpec]:
    """The distinct legal cells within one edit, canonical, in ascending order.

    An edit replaces an operation, adds or removes an edge (what then lies on
    no path is pruned), or inserts a vertex with one edge in and one out.
    """
    own = canonical(cell)
    codes = {canonical(legal) for edit in _edits(cell.pruned()) if (legal := _legal(edit)) is not None}
    return [CellSpec.from_code(*code) for code in sorted(codes - {own})]


def mutate(cell: CellSpec, rng: np.random.Generator) -> CellSpec:
    """One of the neighbours, each equally likely."""
    around = neighbours(cell)
    return around[int(rng.integers(len(around)))]


def edit_distance(a: CellSpec, b: CellSpec) -> int:
    """Fewest differing edges and operations over all relabellings, both cells padded to seven vertices.

    A padding vertex has no edges and an operation of its own.
    """
    first, second = _padded(a.pruned()), _padded(b.pruned())
    interior = range(1, MAX_VERTICES - 1)
    best = MAX_VERTICES**2
    for order in permutations(interior):
        place = {0: 0, MAX_VERTICES - 1: MAX_VERTICES - 1, **dict(zip(interior, order, strict=True))}
        edges = {(place[i], place[j]) for i, j in first.edges}
        changed = sum(first.ops[v - 1] != second.ops[place[v] - 1] for v in interior)
        best = min(best, len(edges ^ second.edges) + changed)
    return best


def _padded(cell: CellSpec) -> CellSpec:
    last = MAX_VERTICES - 1
    move = {v: v for v in range(cell.vertices)} | {cell.output: last}
    edges = frozenset((move[i], move[j]) for i, j in cell.edges)
    return CellSpec(MAX_VERTICES, edges, cell.ops + ("",) * (MAX_VERTICES - cell.vertices))


def _edits(cell: CellSpec) -> Iterator[CellSpec]:
    for k, old in enumerate(cell.ops):
        for op in OPS:
            if op != old:
                yield replace(cell, ops=(*cell.ops[:k], op, *cell.ops[k + 1 :]))
    for j in range(cell.vertices):
        for i in range(j):
            yield replace(cell, edges=cell.edges ^ {(i, j)})
    if cell.vertices < MAX_VERTICES:
        for at in range(1, cell.vertices):
            yield from _insertions(cell, at)


def _insertions(cell: CellSpec, at: int) -> Iterator[CellSpec]:
    """A new vertex at place `at`, with one edge from before it and one to after it."""

    def moved(v: int) -> int:
        return v + (v >= at)

    edges = {(moved(i), moved(j)) for i, j in cell.edges}
    for op in OPS:
        ops = (*cell.ops[: at - 1], op, *cell.ops[at - 1 :])
        for i in range(at):
            for j in range(at + 1, cell.vertices + 1):
                yield CellSpec(cell.vertices + 1, frozenset(edges | {(i, at), (at, j)}), ops)


def _legal(cell: CellSpec) -> CellSpec | None:
    try:
        return cell.validated()
    except ValueError:
        return None
