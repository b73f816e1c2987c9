"""A cell in words: its graph, what was measured of it, and what the surrogate expects."""

from pathlib import Path

import numpy as np

from models.nas.features import parameters
from models.nas.hashes import all_digests
from models.nas.space import Space, enumerate_space
from training.nas.benchmark.open import open_table
from training.nas.benchmark.surrogate import load_surrogate
from training.nas.benchmark.table import EPOCHS, Table, TableError, unlogged

HASH_LENGTH = 32


def show(name: str, table_file: Path | None = None) -> str:
    """Lines for a person.

    Raises:
        TableError: no cell has that row or hash, or the file is no table.
    """
    space = enumerate_space()
    row = find(name, space)
    cell = space[row]
    edges = " ".join(f"{i}→{j}" for i, j in sorted(cell.edges))
    lines = [
        f"cell {row}  {cell.hash()}",
        f"operations  {', '.join(f'{v} {op}' for v, op in enumerate(cell.ops, start=1)) or 'none'}",
        f"edges       {edges}",
        f"parameters  {int(parameters(space, np.array([row]))[0]):,} in the full network",
    ]
    table = None if table_file is None else open_table(table_file)
    logged, seconds = load_surrogate().predict(space, np.array([row]))
    for epochs, expected in zip(EPOCHS, unlogged(logged[0]), strict=True):
        lines.append(f"{epochs:>3} epochs  {_measured(table, row, epochs)}predicted {100 * expected:.2f} %")
    lines.append(f"108 epochs take {seconds[0]:,.0f} s on the benchmark's hardware (predicted)")
    return "\n".join(lines)


def _measured(table: Table | None, row: int, epochs: int) -> str:
    if table is None:
        return ""
    try:
        found = table.peek(table.space[row], epochs)
    except TableError:
        return "not measured, "
    return f"measured {100 * found.accuracy:.2f} % ({found.kind}), "


def find(name: str, space: Space) -> int:
    """Find the row that NAME means: its number, or (the beginning of) its md5.

    Raises:
        TableError: there is none, or several hashes begin so.
    """
    if name.isdigit() and len(name) < HASH_LENGTH:
        if int(name) < len(space):
            return int(name)
        raise TableError(f"cell: got row {name}, expected 0 … {len(space) - 1}")
    digits = name[: len(name) // 2 * 2]
    if len(name) < 6 or len(name) > HASH_LENGTH or set(name) - set("0123456789abcdef"):
        raise TableError(f"cell: got {name!r}, expected a row or 6 to 32 hexadecimal digits of its md5")
    beginning = np.frombuffer(bytes.fromhex(digits), np.uint8)
    near = np.flatnonzero((all_digests()[:, : len(beginning)] == beginning).all(1))
    hits = [int(row) for row in near if space[int(row)].hash().startswith(name)]
    if len(hits) != 1:
        raise TableError(f"cell: {len(hits)} of the {len(space):,} hashes begin with {name}, expected one")
    return hits[0]
