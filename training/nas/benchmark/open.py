"""Open a table of measurements, whichever of the three kinds of file it is in."""

from pathlib import Path

from training.nas.benchmark.table import Table, TableError, load_own, load_table
from training.nas.benchmark.tfrecord import open_tfrecord


def open_table(path: Path) -> Table:
    """Open a table by its suffix: .npz (compact file), .tfrecord (the original), .jsonl (our own trainings).

    Raises:
        TableError: none of these, or the file cannot be read.
    """
    if path.suffix == ".tfrecord":
        return open_tfrecord(path)
    if path.suffix == ".jsonl":
        return load_own(path)
    if path.suffix == ".npz":
        return load_table(path)
    raise TableError(f"table: got {path}, expected a file .npz, .tfrecord or .jsonl")
