"""What a run says of itself: log.jsonl always, TensorBoard where the recipe asks for it.

A line on training holds phase, samples, updates, lr, batch, momentum,
noise_scale (null where not defined), loss, norm, samples_per_s, and the loss's
parts by exit. A line on validation holds phase, samples, updates and
`validation`: the loss on held-out samples and its parts.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracker.errors import SourceError
from tracker.files import write_text
from training.recipe.errors import RecipeError

Line = dict[str, Any]
PLACE = {"phase", "samples"}
CURE = "delete it, and the run goes on without the lines so far"


def read_log(folder: Path) -> list[Line]:
    """Read the lines of a run's log; one cut short by a kill is left out.

    Raises:
        SourceError: what stands there is no log.
    """
    path = folder / "log.jsonl"
    lines = []
    for number, text in enumerate(_lines(path) if path.is_file() else [], 1):
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if not isinstance(line, dict) or not line.keys() >= PLACE:
            raise SourceError(f"log {path}: line {number} is no line of a log; {CURE}")
        lines.append(line)
    return lines


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise SourceError(f"log {path}: is no text in UTF-8; {CURE}") from error


def split_log(lines: list[Line]) -> tuple[list[Line], list[Line]]:
    """Lines on training, and lines on validation."""
    return [x for x in lines if "validation" not in x], [x for x in lines if "validation" in x]


class RunLog:
    """An open log of one phase; `with RunLog(...) as log: log.write(line)`."""

    def __init__(self, folder: Path, phases: list[str], phase: str, seen: int, tensorboard: bool) -> None:
        """Go on after `seen` samples of `phase`: what a killed run wrote beyond its checkpoint goes.

        Args:
            phases: names of the recipe's phases in their order.

        Raises:
            RecipeError: TensorBoard is wanted and not installed.
        """
        self._board = _board(folder / "tensorboard" / phase, seen) if tensorboard else None
        earlier = phases[: phases.index(phase)]
        kept = [
            line
            for line in read_log(folder)
            if line["phase"] in earlier or (line["phase"] == phase and line["samples"] <= seen)
        ]
        write_text(folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in kept))
        self._path = folder / "log.jsonl"

    def write(self, line: Line) -> None:
        with open(self._path, "a") as file:
            file.write(json.dumps(line) + "\n")
        if self._board is not None:
            for tag, number in _scalars(line):
                self._board.add_scalar(tag, number, line["samples"])

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._board is not None:
            self._board.close()


def _scalars(line: Line, under: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a line but its place, by its tag."""
    for name, value in line.items():
        if isinstance(value, dict):
            yield from _scalars(value, f"{name}/")
        elif isinstance(value, list):
            yield from ((f"{under}{name}/exit {k}", number) for k, number in enumerate(value, 1))
        elif isinstance(value, int | float) and name != "samples":
            yield f"{under}{name}", value


def _board(folder: Path, seen: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RecipeError(
            "recipe: tensorboard got True, but the package is not installed; "
            "pip install 'depthgate[tensorboard]', or tensorboard=false"
        ) from error
    return SummaryWriter(str(folder), purge_step=seen + 1 if seen else None)
