"""Many short trainings side by side: each one that ends is a line of a JSON Lines file at once.

An interrupted experiment or search goes on, since only those that have no line
yet are trained.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from joblib import Parallel
from rich.progress import track


def train_all(calls: Sequence[Any], out: Path, jobs: int, title: str) -> None:
    """Run the calls, `jobs` at a time, and append what each returns to OUT in the order in which they end.

    Args:
        calls: made by joblib's `delayed`; each returns a dictionary that JSON can write.
        title: of the progress bar.
    """
    if not calls:
        return
    work = Parallel(jobs, return_as="generator_unordered")(calls)
    with open_lines(out) as file:
        for line in track(work, title, len(calls)):
            file.write(json.dumps(line) + "\n")
            file.flush()


def open_lines(path: Path) -> TextIO:
    """Open the file to append lines; drop a last one that was cut short, and make missing folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        kept = path.read_bytes()
        with path.open("rb+") as file:
            file.truncate(kept.rfind(b"\n") + 1)
    return path.open("a")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file, none where it is not there; a line cut short is left out."""
    lines = []
    for text in path.read_text().splitlines() if path.is_file() else ():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines
