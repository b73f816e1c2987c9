"""The measured table: what a cell reached after 4, 12, 36 or 108 epochs, and what training it costs.

The compact file holds every cell of the space and the measurements that were
published. At 108 epochs a number is the best of three repeats, at 4, 12 and 36 a
single one: `Measurement.kind` says which, and no number is a mean unless it
says so. Cells without a measurement raise, with the reason.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.cell_spec import OPS, CellSpec
from models.nas.space import Space, edge_bit, enumerate_space, row_key
from tracker.arrays import Floats, Ints
from tracker.errors import TrackerError

EPOCHS = (4, 12, 36, 108)
VALIDATION_PICTURES = 9_984  # 39 batches of 256; the rest of the 10,000 was dropped
# Seconds of a training of e epochs from those of 108: offset and slope, fitted on 100 cells of the pack.
SECONDS_OF_108 = {4: (13.5, 0.0387), 12: (14.2, 0.1092), 36: (12.9, 0.3323), 108: (0.0, 1.0)}
HIGHEST, NOT_SEEN = 0.999, 65_535
PUBLISHED_KINDS = {4: "single repeat", 12: "single repeat", 36: "single repeat", 108: "best of three repeats"}


def logged(accuracy: npt.ArrayLike) -> Floats:
    """−log(1 − accuracy): differences among good cells count as much as among bad ones."""
    return np.asarray(-np.log(1 - np.minimum(accuracy, HIGHEST)))


def unlogged(value: npt.ArrayLike) -> Floats:
    """Invert `logged`, within 0 … 1."""
    return np.asarray(np.clip(1 - np.exp(-np.asarray(value)), 0, 1))


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
        accuracy, seconds: M×B×R at the B budgets, R repeats each.
        kinds: what a number is, by budget: EPOCHS, or the samples of a tracker's training.
    """

    def __init__(
        self, space: Space, rows: Ints, accuracy: Floats, seconds: Floats, kinds: Mapping[int, str]
    ) -> None:
        self.space, self.rows = space, rows
        self.accuracy, self.seconds = np.asarray(accuracy), np.asarray(seconds)
        self.kinds = dict(kinds)
        self._budget = {epochs: e for e, epochs in enumerate(self.kinds)}
        self._keys = row_key(space.vertices[rows], space.adj[rows], space.ops[rows])

    def __len__(self) -> int:
        return len(self.rows)

    def peek(self, cell: CellSpec, epochs: int = 108) -> Measurement:
        """Return the mean over the repeats that are there.

        Raises:
            TableError: an illegal or unmeasured cell, or another number of epochs.
        """
        repeats = self.repeats(cell, epochs)
        accuracy, seconds = (sum(values) / len(repeats) for values in zip(*repeats, strict=True))
        kind = self.kinds[epochs] if self.accuracy.shape[2] == 1 else f"mean of {len(repeats)} repeats"
        return Measurement(accuracy, seconds, kind)

    def repeats(self, cell: CellSpec, epochs: int = 108) -> list[tuple[float, float]]:
        """(accuracy, seconds) of the repeats that are there; raises as `peek`."""
        if epochs not in self._budget:
            raise TableError(f"table: got {epochs} epochs, expected one of {', '.join(map(str, self.kinds))}")
        place, e = self._find(cell), self._budget[epochs]
        columns = self.accuracy[place, e].tolist(), self.seconds[place, e].tolist()
        found = [(reached, took) for reached, took in zip(*columns, strict=True) if not math.isnan(reached)]
        if not found:
            known = [str(n) for n, i in self._budget.items() if np.isfinite(self.accuracy[place, i]).any()]
            raise TableError(
                f"table: cell {self.rows[place]} has no {epochs} epochs, only {', '.join(known)}"
            )
        return found

    def as_published(self) -> Floats:
        """M×4 in the form of the compact file: one repeat at 4, 12 and 36 epochs, the best at 108."""
        return np.concatenate([self.accuracy[:, :-1, 0], self.accuracy[:, -1:].max(2)], 1)

    def _find(self, cell: CellSpec) -> int:
        """Place of a cell among the measured ones; a canonical cell is found without a search."""
        key = _key(cell)
        place = int(self._keys.searchsorted(key))
        if place < len(self) and self._keys[place] == key:
            return place
        try:
            row = self.space.index(cell)
        except ValueError as error:
            raise TableError(f"table: {error}") from error
        place = int(self.rows.searchsorted(row))
        if place == len(self) or self.rows[place] != row:
            raise TableError(f"table: cell {row} is legal but not among the {len(self)} measured ones")
        return place


def load_table(path: Path) -> Table:
    """Load the published measurements of the compact file (nasbench101.npz).

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


Others = dict[str, tuple[Ints, Floats]]


def load_others(path: Path) -> Others:
    """Mean accuracies of cells that others measured: rows M and values M×4 at EPOCHS, by source.

    CLUE gives the mean of three repeats, NASLib, at 108 alone, of one to three.
    Raises TableError as load_table.
    """
    try:
        with np.load(path) as file:
            clue, seen = file["clue_val"] / (3 * VALIDATION_PICTURES), _naslib(file)
            rows = file["clue_index"].astype(np.int64), file["naslib_index"].astype(np.int64)
    except (OSError, ValueError, KeyError) as error:
        raise TableError(f"table: {path} cannot be read ({error}); expected nasbench101.npz") from error
    alone = np.full((len(seen), len(EPOCHS)), np.nan)
    alone[:, -1] = np.nanmean(seen, 1)
    return {"CLUE": (rows[0], clue), "NASLib": (rows[1], alone)}


def repeat_noise(path: Path) -> float:
    """Return the pooled standard deviation of `logged` accuracy at 108 epochs between NASLib's repeats."""
    with np.load(path) as file:
        values = logged(_naslib(file))
    count = np.isfinite(values).sum(1)
    several = values[count > 1]
    spread = np.nansum((several - np.nanmean(several, 1, keepdims=True)) ** 2)
    return float(np.sqrt(spread / (count[count > 1] - 1).sum()))


def _naslib(file: Mapping[str, npt.NDArray[np.uint16]]) -> Floats:
    """Accuracies of the repeats that were seen, M×3, NaN where none was."""
    counts = file["naslib_val108"]
    return np.where(counts == NOT_SEEN, np.nan, counts / VALIDATION_PICTURES)


def load_own(path: Path) -> Table:
    """Trainings that `search measure` wrote, as many repeats as the file has; NaN where none was.

    A file of CIFAR-10 trainings has EPOCHS, one of trackers the samples of a training (and AO for accuracy).

    Raises:
        TableError: no such file or lines, or trackers that differ in more than the cell.
    """
    try:
        lines = [json.loads(text) for text in path.read_text().splitlines()]
        kept = [(line["row"], line["network"], line["repeat"]) for line in lines]
        values = [(line["accuracy"], line["seconds"]) for line in lines]
        budgets = [network.get("epochs") or network["tracker_samples"] for _, network, _ in kept]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TableError(
            f"table: {path} cannot be read ({error}); expected lines of search measure"
        ) from error
    tracked = any("tracker_samples" in network for _, network, _ in kept)
    if tracked and any(network != kept[0][1] for _, network, _ in kept):
        raise TableError(f"table: {path} holds several networks; expected one, so that cells compare")
    what = "single repeat of a tracker of ours" if tracked else "single repeat of a small network of ours"
    kinds = dict.fromkeys(sorted(set(budgets)) if tracked else EPOCHS, what)
    rows = np.unique([row for row, _, _ in kept]).astype(np.int64)
    shape = len(rows), len(kinds), 1 + max((r for _, _, r in kept), default=0)
    accuracy, seconds = np.full(shape, np.nan), np.full(shape, np.nan)
    for (row, _, repeat), budget, (reached, took) in zip(kept, budgets, values, strict=True):
        place = int(np.searchsorted(rows, row)), list(kinds).index(budget), repeat
        accuracy[place], seconds[place] = reached, took
    return Table(enumerate_space(), rows, accuracy, seconds, kinds)


def _key(cell: CellSpec) -> int:
    """row_key of the cell as it is written: a row's, for cells that came from a table; −1: no such op."""
    ops = 0
    for op in cell.ops:
        if op not in OPS:
            return -1
        ops = 3 * ops + OPS.index(op)
    adj = sum(1 << edge_bit(i, j) for i, j in cell.edges)
    return (cell.vertices << 32 | adj) << 8 | ops
