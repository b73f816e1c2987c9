"""The data sets of the got10k package, read from disk alone, and every sequence checked before it counts."""

import contextlib
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from eval.data.regions import read_rows
from tracker.errors import SourceError

matplotlib.use("Agg")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import got10k.datasets as package

OTB_VERSIONS = {"otb50": "tb50", "otb100": "tb100", "otb2013": "otb2013"}


class LaSOT:
    """The test split of LaSOT as the package's data sets are: names, and (pictures, N×4 boxes) by index.

    Frames where the target is fully occluded or out of view have NaN boxes,
    as LaSOT's own toolkit leaves them out (calc_seq_err_robust.m). The
    package's reader cannot be constructed (version 0.1.3).
    """

    def __init__(self, root_dir: str) -> None:
        self.root_dir = root_dir
        splits = json.loads((Path(package.__file__).parent / "lasot.json").read_text())
        places = {name: Path(root_dir) / name.rsplit("-", 1)[0] / name for name in splits["test"]}
        self._places = [place for place in places.values() if (place / "groundtruth.txt").is_file()]
        self.seq_names = [place.name for place in self._places]

    def __len__(self) -> int:
        return len(self.seq_names)

    def __getitem__(self, index: int) -> tuple[list[str], Any]:
        place = self._places[index]
        images = sorted(str(path) for path in (place / "img").glob("*.jpg"))
        boxes = np.loadtxt(place / "groundtruth.txt", delimiter=",", ndmin=2)
        for label in ("full_occlusion.txt", "out_of_view.txt"):
            if (place / label).is_file():
                flags = np.concatenate([row for row in read_rows(place / label) if row is not None])
                boxes[flags > 0] = np.nan
        return images, boxes


def open_dataset(kind: str, root: Path, **options: Any) -> Any:
    """One of OTB, GOT10k, UAV123, NfS, DTB70 and LaSOT in `root`, never downloaded, every sequence readable.

    Raises:
        SourceError: it is not there, or a sequence whose pictures and annotation do not fit; it is named.
    """
    if not root.is_dir():
        raise SourceError(f"eval: {root} is no folder")
    made = LaSOT if kind == "LaSOT" else _on_disk(getattr(package, kind))
    try:
        with quiet():
            dataset = made(str(root), **options)
    except Exception as error:  # the package raises plain Exceptions
        raise SourceError(f"eval: {root} cannot be read as {kind}: {error}") from error
    if len(dataset) == 0:
        raise SourceError(f"eval: {root} holds none of the sequences of {kind}")
    for i, name in enumerate(dataset.seq_names):
        _check_sequence(dataset, i, name)
    return dataset


def _on_disk(dataset: type) -> type:
    """Return the data set without its completeness check, which prints and refuses a part of UAV123."""
    return type(dataset.__name__, (dataset,), {"_check_integrity": lambda self, *arguments: None})


def _check_sequence(dataset: Any, index: int, name: str) -> None:
    unfit = f"eval: {name}: pictures and annotation do not fit"
    try:
        with quiet():
            images, boxes = dataset[index][:2]
    except Exception as error:  # assertions, index errors and more: what the package meets first
        raise SourceError(
            f"{unfit} ({error or 'another number of each'}); is a frame missing, or the annotation cut?"
        ) from error
    missing = next((image for image in images if not Path(image).is_file()), None)
    if missing is not None:
        raise SourceError(f"{unfit}: {missing} is missing")
    if not images or len(boxes) not in (1, len(images)):
        raise SourceError(f"{unfit} ({len(images)} pictures, {len(boxes)} boxes)")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the package, which prints a line a sequence, while a block runs; our bar tells the same."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
