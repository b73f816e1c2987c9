"""The measured table: what a cell reached after 4, 12, 36 or 108 epochs, and what training it costs.

The compact file holds every cell of the space and the measurements that were
published; `query` charges simulated seconds as the original does, `peek` is
free. At 108 epochs a number is the best of three repeats, at 4, 12 and 36 a
single one: `Measurement.kind` says which, and no number is a mean unless it
says so. Cells without a measurement raise, with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.cell_spec import OPS, CellSpec
from models.nas.space import Space, enumerate_space
from tracker.errors import TrackerError

EPOCHS = (4, 12, 36, 108)
VALIDATION_PICTURES = 9_984  # 39 batches of 256; the rest of the 10,000 was dropped
# Seconds of a training of e epochs from those of 108: offset and slope, fitted on 100 cells of the pack.
SECONDS_OF_108 = {4: (13.5, 0.0387), 12: (14.2, 0.1092), 36: (12.9, 0.3323), 108: (0.0, 1.0)}
PUBLISHED_KINDS = {4: "single repeat", 12: "single repeat", 36: "single repeat", 108: "best of three repeats"}


Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class TableError(TrackerError):
    """A cell that the table does not hold, or a file that is not a table."""


@dataclass(frozen=True)
class Measurement:
    """Accuracy on the validation pictures of CIFAR-10, simulated seconds, and what kind of number it is."""

    accuracy: float
    seconds: float
    kind: str


class Table:
    """Measurements by row of the space.

    Args:
        rows: M ascending rows of the space.
        accuracy, seconds: M×4×R at EPOCHS, R repeats each.
        kinds: what a number is, by epochs.
    """

    def __init__(
        self, space: Space, rows: Rows, accuracy: Floats, seconds: Floats, kinds: Mapping[int, str]
    ) -> None:
        self.space, self.rows, self.accuracy, self.seconds = space, rows, accuracy, seconds
        self.kinds = dict(kinds)
        self.spent = 0.0
        self._place = {int(row): i for i, row in enumerate(rows)}
        codes = (space.vertices[rows], space.adj[rows], space.ops[rows])
        self._row = dict(zip(zip(*(c.tolist() for c in codes), strict=True), rows.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self.rows)

    def peek(self, cell: CellSpec, epochs: int = 108) -> Measurement:
        """The mean over the repeats that are there; nothing is charged.

        Raises:
            TableError: an illegal or unmeasured cell, or another number of epochs.
        """
        place, e = self._find(cell), _epoch(epochs)
        repeats = self.accuracy.shape[2]
        kind = self.kinds[epochs] if repeats == 1 else f"mean of {repeats} repeats"
        accuracy, seconds = (float(values[place, e].mean()) for values in (self.accuracy, self.seconds))
        return Measurement(accuracy, seconds, kind)

    def query(self, cell: CellSpec, epochs: int = 108, rng: np.random.Generator | None = None) -> Measurement:
        """One repeat, drawn by `rng` (without it `peek`); its seconds are added to `spent` every time."""
        found = self.peek(cell, epochs)
        if rng is not None:
            place, e = self._find(cell), _epoch(epochs)
            r = int(rng.integers(self.accuracy.shape[2]))
            accuracy, seconds = (float(values[place, e, r]) for values in (self.accuracy, self.seconds))
            found = Measurement(accuracy, seconds, self.kinds[epochs])
        self.spent += found.seconds
        return found

    def _find(self, cell: CellSpec) -> int:
        """Place of a cell among the measured ones; a canonical cell is found without a search."""
        row = self._row.get(_code(cell))
        if row is None:
            try:
                row = self.space.index(cell)
            except ValueError as error:
                raise TableError(f"table: {error}") from error
        if row not in self._place:
            raise TableError(f"table: cell {row} is legal but not among the {len(self)} measured ones")
        return self._place[row]


def load_table(path: Path) -> Table:
    """The published measurements of the compact file (nasbench101.npz).

    Raises:
        TableError: the file is missing, damaged, or lists another space.
    """
    try:
        with np.load(path) as file:
            columns = {k: file[k] for k in ("vertices", "adj", "ops", "vis_index", "vis_val", "vis_time108")}
    except (OSError, ValueError, KeyError) as error:
        raise TableError(f"table: {path} cannot be read ({error}); expected nasbench101.npz") from error
    space = enumerate_space()
    if not all(np.array_equal(getattr(space, k), columns[k]) for k in ("vertices", "adj", "ops")):
        raise TableError(f"table: {path} lists other cells than the space has")
    accuracy = columns["vis_val"][:, :, None] / VALIDATION_PICTURES
    seconds108 = columns["vis_time108"].astype(np.float64)
    seconds = np.stack([offset + slope * seconds108 for offset, slope in SECONDS_OF_108.values()], 1)
    return Table(space, columns["vis_index"].astype(np.int64), accuracy, seconds[:, :, None], PUBLISHED_KINDS)


def _epoch(epochs: int) -> int:
    if epochs not in EPOCHS:
        raise TableError(f"table: got {epochs} epochs, expected one of {', '.join(map(str, EPOCHS))}")
    return EPOCHS.index(epochs)


def _code(cell: CellSpec) -> tuple[int, int, int]:
    """(vertices, adj, ops) of the cell as it is written; canonical for cells that came from a table."""
    ops = 0
    for op in cell.ops:
        ops = 3 * ops + (OPS.index(op) if op in OPS else 3)
    adj = sum(1 << (i + j * (j - 1) // 2) for i, j in cell.edges)
    return cell.vertices, adj, ops
