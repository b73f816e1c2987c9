"""Numbers of every cell at once: its arrays, its parameters, and what a regressor can learn from.

All functions take N rows of the space and work column-wise, so that the whole
space takes seconds.
"""

from itertools import product

import numpy as np
import numpy.typing as npt

from models.cell_spec import CONV1X1, CONV3X3, MAX_VERTICES, OPS
from models.nas.space import Space, edge_bit
from tracker.arrays import Bools, Float32s, Floats, Ints

INPUT, OUTPUT, PADDING = len(OPS), len(OPS) + 1, len(OPS) + 2  # labels beside the operations' 0, 1, 2
STEM_AND_DENSE = 3 * 9 * 128 + 2 * 128 + 512 * 10 + 10
CELLS_OF_NETWORK = ((128, 128, 3), (128, 256, 1), (256, 256, 2), (256, 512, 1), (512, 512, 2))
LONGEST_STRING = 3


def arrays(space: Space, rows: Ints) -> tuple[Bools, npt.NDArray[np.int8]]:
    """Edges N×7×7 (from, to) and labels N×7: 0 … 2 operations, INPUT, OUTPUT, PADDING behind the output."""
    vertices, adj = space.vertices[rows].astype(np.int64), space.adj[rows]
    codes = space.ops[rows].astype(np.int64)
    edges = np.zeros((len(rows), MAX_VERTICES, MAX_VERTICES), bool)
    for j in range(MAX_VERTICES):
        for i in range(j):
            edges[:, i, j] = adj >> np.uint32(edge_bit(i, j)) & 1
    labels = np.full((len(rows), MAX_VERTICES), PADDING, np.int8)
    labels[:, 0] = INPUT
    for v in range(1, MAX_VERTICES):
        digit = codes // 3 ** np.maximum(vertices - 2 - v, 0) % 3
        labels[:, v] = np.where(v < vertices - 1, digit, np.where(v == vertices - 1, OUTPUT, PADDING))
    return edges, labels


def widths(edges: Bools, labels: npt.NDArray[np.int8], cout: int) -> Ints:
    """Channels of every interior vertex, N×7, 0 elsewhere; the rule of models.cell.vertex_channels."""
    n = len(labels)
    out = (labels == OUTPUT).argmax(1)
    to_output = edges[np.arange(n), :, out]
    feeding = to_output & (labels < INPUT)
    fan_in = np.maximum(feeding.sum(1), 1)
    order = feeding.cumsum(1) - 1
    share = cout // fan_in[:, None] + (order < (cout % fan_in)[:, None])
    channels = np.where(feeding, share, 0)
    for v in reversed(range(1, MAX_VERTICES)):
        widest = np.where(edges[:, v], channels, 0).max(1)
        inner = (labels[:, v] < INPUT) & ~feeding[:, v]
        channels[inner, v] = widest[inner]
    return np.asarray(channels, np.int64)


def parameters(space: Space, rows: Ints) -> Ints:
    """Trainable parameters of the full network: 227,274 … 49,979,274."""
    edges, labels = arrays(space, rows)
    total = np.full(len(rows), STEM_AND_DENSE, np.int64)
    direct = edges[np.arange(len(rows)), 0, (labels == OUTPUT).argmax(1)]
    for cin, cout, cells in CELLS_OF_NETWORK:
        c = widths(edges, labels, cout)
        conv3 = np.where(labels == OPS.index(CONV3X3), 9 * c * c + 2 * c, 0).sum(1)
        conv1 = np.where(labels == OPS.index(CONV1X1), c * c + 2 * c, 0).sum(1)
        projections = np.where(edges[:, 0] & (labels < INPUT), cin * c + 2 * c, 0).sum(1)
        skip = np.where(direct, cin * cout + 2 * cout, 0)
        total += cells * (conv3 + conv1 + projections + skip)
    return total


def features(space: Space, rows: Ints) -> tuple[Float32s, list[str]]:
    """Compute what a regressor sees of a cell, N×F, and the names of the columns.

    Sizes and operations; the log of the parameters; longest and shortest
    paths, over all vertices and over single operations; edges by the labels
    at their ends; paths by the string of their operations (the path encoding
    of White et al. 2019, arXiv 1910.11858, cut at three operations).
    """
    edges, labels = arrays(space, rows)
    columns: dict[str, npt.NDArray[np.number]] = {
        "vertices": space.vertices[rows],
        "edges": edges.sum((1, 2)),
        "log parameters": np.log(parameters(space, rows)),
        "input fan-out": edges[:, 0].sum(1),
        "output fan-in": edges[np.arange(len(rows)), :, (labels == OUTPUT).argmax(1)].sum(1),
    }
    for k, op in enumerate(OPS):
        columns[op] = (labels == k).sum(1)
    columns["depth"] = longest_path(edges, labels, np.ones(len(OPS)))
    columns["shortest path"] = -longest_path(edges, labels, -np.ones(len(OPS)))
    for k, op in enumerate(OPS):
        columns[f"most {op} on a path"] = longest_path(edges, labels, np.eye(len(OPS))[k])
        columns[f"fewest {op} on a path"] = -longest_path(edges, labels, -np.eye(len(OPS))[k])
    columns["most convolutions on a path"] = longest_path(edges, labels, np.array([1.0, 1.0, 0.0]))
    channels = widths(edges, labels, 512) / 512
    for k, op in enumerate(OPS):
        columns[f"width of {op}"] = np.where(labels == k, channels, 0).sum(1)
    columns["narrowest vertex"] = np.where(labels < INPUT, channels, 1).min(1)
    names = (*OPS, "input", "output")
    for a, b in product(range(INPUT + 1), (*range(len(OPS)), OUTPUT)):
        columns[f"edges {names[a]} to {names[b]}"] = (
            edges & (labels == a)[:, :, None] & (labels == b)[:, None]
        ).sum((1, 2))
    columns["paths"] = _strings(edges, labels, 0)["paths"]
    columns |= _strings(edges, labels, LONGEST_STRING)
    return np.stack([np.asarray(c, np.float32) for c in columns.values()], 1), list(columns)


def longest_path(edges: Bools, labels: npt.NDArray[np.int8], weights: Floats) -> Floats:
    """Largest sum of the operations' weights over the paths from input to output, N."""
    value = np.append(weights, [0.0, 0.0, 0.0])[labels]
    best = np.full(labels.shape, -np.inf)
    best[:, 0] = 0
    for v in range(1, MAX_VERTICES):
        into = np.where(edges[:, :, v], best, -np.inf).max(1)
        best[:, v] = into + value[:, v]
    return np.asarray(np.take_along_axis(best, (labels == OUTPUT).argmax(1)[:, None], 1)[:, 0])


def _strings(edges: Bools, labels: npt.NDArray[np.int8], longest: int) -> dict[str, Floats]:
    """How many paths have that string of operations, by string, up to `longest`; `paths` counts them all."""
    n = len(labels)
    strings = [s for length in range(longest + 1) for s in product(range(len(OPS)), repeat=length)]
    at = {s: i for i, s in enumerate(strings)}
    counts = np.zeros((n, MAX_VERTICES, len(strings)), np.float32)
    total = np.zeros((n, MAX_VERTICES))
    counts[:, 0, at[()]] = total[:, 0] = 1
    for v in range(1, MAX_VERTICES):
        into = np.einsum("ni,nis->ns", edges[:, :, v].astype(np.float32), counts)
        total[:, v] = (edges[:, :, v] * total).sum(1)
        end = labels[:, v] == OUTPUT
        counts[end, v] = into[end]
        for k in range(len(OPS)):
            here = labels[:, v] == k
            for s in strings:
                if len(s) < longest:
                    counts[here, v, at[(*s, k)]] = into[here, at[s]]
    out = (labels == OUTPUT).argmax(1)
    found = {f"paths {'-'.join(map(str, s)) or 'direct'}": counts[np.arange(n), out, at[s]] for s in strings}
    return found if longest else {"paths": total[np.arange(n), out]}
