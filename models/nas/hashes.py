"""The published md5 of every cell at once, for tables that name cells by it; about a minute on one core.

The same steps as CellSpec.hash (google-research/nasbench, graph_util.py), with
the neighbours listed once for all cells of a graph.
"""

import os
import sys
from hashlib import md5
from itertools import groupby

import numpy as np
import numpy.typing as npt

from models.nas.space import Space, edge_bit, enumerate_space
from tracker.cache import user_cache

Digests = npt.NDArray[np.uint8]


def digests(space: Space, start: int = 0, stop: int | None = None) -> Digests:
    """Rows start … stop as N×16 bytes."""
    rows = range(len(space))[start:stop]
    codes = zip(
        space.vertices[rows.start : rows.stop].tolist(),
        space.adj[rows.start : rows.stop].tolist(),
        space.ops[rows.start : rows.stop].tolist(),
        strict=True,
    )
    found = bytearray()
    for (vertices, adj), cells in groupby(codes, key=lambda code: code[:2]):
        around = _neighbours(vertices, adj)
        for _, _, ops in cells:
            found += _digest(vertices, around, ops)
    return np.frombuffer(found, np.uint8).reshape(-1, 16)


def all_digests() -> Digests:
    """Those of the whole space, N×16; kept in the user's cache folder after the first time."""
    path = user_cache() / "nasbench101-md5.npy"
    space = enumerate_space()
    if path.is_file():
        kept: Digests = np.load(path, mmap_mode="r")
        if kept.shape == (len(space), 16):
            return kept
    print("computing the md5 of all cells once, about a minute", file=sys.stderr)
    found = digests(space)
    path.parent.mkdir(parents=True, exist_ok=True)
    half_written = path.with_suffix(f".{os.getpid()}.npy")
    np.save(half_written, found)
    half_written.replace(path)
    return found


Around = list[tuple[list[int], list[int]]]


def _neighbours(vertices: int, adj: int) -> Around:
    """Return the sources and targets of every vertex."""
    edges = [(i, j) for j in range(vertices) for i in range(j) if adj >> edge_bit(i, j) & 1]
    return [([i for i, j in edges if j == v], [j for i, j in edges if i == v]) for v in range(vertices)]


def _digest(vertices: int, around: Around, ops: int) -> bytes:
    labels = [-1, *(ops // 3 ** (vertices - 2 - v) % 3 for v in range(1, vertices - 1)), -2]
    marks = [
        md5(str((len(out), len(into), label)).encode()).hexdigest()
        for (into, out), label in zip(around, labels, strict=True)
    ]
    for _ in range(vertices):
        marks = [
            md5(
                "|".join(
                    ("".join(sorted([marks[i] for i in into])), "".join(sorted([marks[j] for j in out])), own)
                ).encode()
            ).hexdigest()
            for (into, out), own in zip(around, marks, strict=True)
        ]
    return md5(str(sorted(marks)).encode()).digest()
