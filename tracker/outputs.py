"""Results as text: one row a frame as CSV, JSON Lines, MOT, VOT or GOT-10k.

Frames count from 0, `time_s` is when the source shows one; row 0 is the given
box, without depth and ms, and so is every row that is marked as `given`. A
lost target has an empty box in CSV and JSON Lines and no row in MOT; the row
formats of VOT and GOT-10k have no such thing and get the last believed box.
"""

import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tracker.errors import TrackerError
from tracker.files import write_bytes
from tracker.tracker import Prediction

STDOUT = Path("-")
CSV_HEADER = "frame,x,y,w,h,score,present,depth,ms,time_s,given"


class OutputError(TrackerError):
    """A result file that cannot be written."""


def check_results(results: list[Path], files: Sequence[Path], folders: Sequence[Path]) -> None:
    """Refuse to replace what a run is made from, or one result by another, under whatever name.

    Args:
        results: the files to be written.
        files: what is read; folders: what is read from, which takes no result at any depth.

    Raises:
        OutputError: a result is one of the files, lies in one of the folders, or is another result.
    """
    read = {_identity(file) for file in files}
    for path in (path for path in results if path != STDOUT):
        if _identity(path) in read:
            raise OutputError(f"output: {path} is the source itself; choose another name")
        for folder in folders:
            if path.resolve().is_relative_to(folder.resolve()):
                raise OutputError(
                    f"output: {path} lies in {folder}, which the run reads; choose another folder"
                )
    if len({_identity(path) for path in results}) < len(results):
        raise OutputError("output: two results were given the same name")


def _identity(path: Path) -> tuple[int, int] | Path:
    """Return what two names of one file share: device and inode, or the path that a new file will have."""
    try:
        found = path.stat()
    except OSError:
        return path.resolve()
    return found.st_dev, found.st_ino


def _csv(frame: int, time_s: float, p: Prediction) -> str:
    box = ",".join(f"{v:.3f}" for v in p.box) if p.present else ",,,"
    spent = f"{p.depth},{p.seconds * 1e3:.3f}" if p.depth else ","
    return f"{frame},{box},{p.score:.4f},{int(p.present)},{spent},{time_s:.4f},{int(not p.depth)}"


def _jsonl(frame: int, time_s: float, p: Prediction) -> str:
    row: dict[str, Any] = {"frame": frame, "time_s": round(time_s, 4)}
    row["box"] = [round(v, 3) for v in p.box] if p.present else None
    row |= {"score": round(p.score, 4), "present": p.present, "state": p.state}
    row |= {"depth": p.depth or None, "ms": round(p.seconds * 1e3, 3) if p.depth else None}
    row["given"] = not p.depth
    return json.dumps(row)


def _mot(frame: int, time_s: float, p: Prediction) -> str | None:
    if not p.present:
        return None
    box = ",".join(f"{v:.3f}" for v in p.box)
    return f"{frame + 1},1,{box},{p.score:.4f},-1,-1,-1"


def _plain(frame: int, time_s: float, p: Prediction) -> str:
    return ",".join(f"{v:.4f}" for v in p.box)


FORMATS: dict[str, Callable[[int, float, Prediction], str | None]] = {
    "csv": _csv,
    "json": _jsonl,
    "mot": _mot,
    "vot": _plain,
    "got10k": _plain,
}


class RowWriter:
    """A text file with a row a frame, in one of FORMATS; every row is whole and in the file at once.

    Raises:
        OutputError: the file cannot be opened or, by `write`, takes no more; the rows before are whole.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self._format, self._path = FORMATS[kind], path
        try:
            self._file = open(1 if path == STDOUT else path, "wb", buffering=0, closefd=path != STDOUT)  # noqa: SIM115
        except OSError as error:
            raise OutputError(
                f"output: {path} cannot be written ({error.strerror}); does the folder exist?"
            ) from error
        self._size = 0
        if kind == "csv":
            self._append(CSV_HEADER)

    def write(self, frame: int, time_s: float, prediction: Prediction) -> None:
        if (line := self._format(frame, time_s, prediction)) is not None:
            self._append(line)

    def _append(self, line: str) -> None:
        """Write the line, whole or, in a file, not at all."""
        row = f"{line}\n".encode()
        try:
            written = self._file.write(row)
            while self._path == STDOUT and written < len(row):
                written += self._file.write(row[written:])
            if written < len(row):
                self._file.truncate(self._size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise OutputError(f"output: {self._path} cannot be written ({error.strerror})") from error
        self._size += written

    def close(self) -> None:
        self._file.close()


def write_whole(path: Path, data: bytes) -> None:
    """Write as tracker.files.write_bytes does.

    Raises:
        OutputError: it cannot be written; what stood there before stands there still.
    """
    try:
        write_bytes(path, data)
    except OSError as error:
        raise OutputError(f"output: {path} cannot be written ({error.strerror})") from error
