"""OTB, GOT-10k and the other data sets of the got10k package, by its own experiments.

    python app.py eval otb OTB --out results
    python app.py eval got10k GOT-10k --out results

The package computes the measures; here are a tracker in its form, data sets
that never touch the network, a check of every result file before it is
counted, and the normalised precision that the package lacks.
"""

import contextlib
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from rich.progress import track

from eval.host import describe_host
from eval.runner import Contender
from tracker.boxes import Box
from tracker.errors import SourceError

matplotlib.use("Agg")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from got10k.datasets import DTB70, OTB, UAV123, LaSOT, NfS
    from got10k.experiments import (
        ExperimentDTB70,
        ExperimentGOT10k,
        ExperimentNfS,
        ExperimentOTB,
        ExperimentUAV123,
    )
    from got10k.trackers import Tracker as PackageTracker

Floats = npt.NDArray[np.float64]
NORMALISED = np.linspace(0, 0.5, 51)
OTB_VERSIONS = {"otb50": "tb50", "otb100": "tb100", "otb2013": "otb2013"}


class InPackageForm(PackageTracker):  # type: ignore[misc]
    """A contender as the got10k package calls trackers: PIL pictures in, boxes in the data set's origin."""

    def __init__(self, name: str, contender: Contender, origin: float = 0.0) -> None:
        super().__init__(name=name, is_deterministic=True)
        self._contender, self._origin = contender, origin

    def init(self, image: Any, box: npt.ArrayLike) -> None:
        x, y, w, h = (float(v) for v in np.asarray(box))
        self._contender.init(_bgr(image), (x - self._origin, y - self._origin, w, h))

    def update(self, image: Any) -> Box:
        x, y, w, h = self._contender.update(_bgr(image)).box
        return x + self._origin, y + self._origin, w, h


def _bgr(image: Any) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(np.asarray(image, np.uint8)[..., ::-1])


def evaluate_otb(root: Path, out: Path, contenders: dict[str, Contender], version: str) -> dict[str, Any]:
    """One-pass evaluation: success, precision at 20 px, normalised precision; sequences weigh the same.

    Raises:
        SourceError: no sequence there, or a sequence whose pictures and annotation do not fit.
    """
    experiment = _experiment(ExperimentOTB, OTB, root, out, f"OTB-{version}", version=OTB_VERSIONS[version])
    return _run_ope(experiment, out, contenders, f"OTB ({version})", origin=1.0)


OPE = {"uav123": (ExperimentUAV123, UAV123), "nfs": (ExperimentNfS, NfS), "dtb70": (ExperimentDTB70, DTB70)}


def evaluate_ope(kind: str, root: Path, out: Path, contenders: dict[str, Contender]) -> dict[str, Any]:
    """UAV123, NfS, DTB70 or LaSOT by the measures of OTB."""
    if kind == "lasot":
        experiment = _experiment(ExperimentOTB, LaSOT, root, out, "LaSOT", subset="test")
    else:
        made, dataset = OPE[kind]
        experiment = _experiment(made, dataset, root, out, kind.upper())
    return _run_ope(experiment, out, contenders, kind, origin=0.0)


def evaluate_got10k(
    root: Path, out: Path, contenders: dict[str, Contender], subset: str = "val"
) -> dict[str, Any]:
    """AO and SR of the val split, pooled over frames; for `test` a zip for the server and no numbers."""
    with _quiet():
        experiment = ExperimentGOT10k(
            str(root), subset, result_dir=str(out / "results"), report_dir=str(out / "reports")
        )
    _check_dataset(experiment.dataset)
    for name, contender in contenders.items():
        _run(experiment, InPackageForm(name, contender))
        for s, sequence in enumerate(experiment.dataset.seq_names):
            path = Path(experiment.result_dir) / name / sequence / f"{sequence}_001.txt"
            _check_result(path, len(experiment.dataset[s][0]))
    with _quiet():
        performance = experiment.report(list(contenders))
    if subset == "test":
        zips = [str(Path(experiment.result_dir) / f"{name}.zip") for name in contenders]
        return _written(
            out, "GOT-10k test", {name: {"zip": z} for name, z in zip(contenders, zips, strict=True)}
        )
    rows = {
        name: {"ao": row["overall"]["ao"], "sr50": row["overall"]["sr"]} for name, row in performance.items()
    }
    return _written(out, "GOT-10k val", rows)


def _experiment(made: Any, dataset: Any, root: Path, out: Path, name: str, **options: Any) -> Any:
    """The package's experiment without its constructor, which would download what is missing."""
    if not root.is_dir():
        raise SourceError(f"eval: {root} is no folder")
    experiment = made.__new__(made)
    offline = {} if dataset is LaSOT else {"download": False}
    try:
        with _quiet():
            experiment.dataset = dataset(str(root), **options, **offline)
    except Exception as error:  # the package raises plain Exceptions
        raise SourceError(f"eval: {root} cannot be read as {name}: {error}") from error
    experiment.result_dir, experiment.report_dir = str(out / "results" / name), str(out / "reports" / name)
    experiment.nbins_iou, experiment.nbins_ce = 21, 51
    _check_dataset(experiment.dataset)
    return experiment


def _check_dataset(dataset: Any) -> None:
    """Every sequence can be read; the one that cannot is named."""
    if len(dataset) == 0:
        raise SourceError(f"eval: {dataset.root_dir} holds none of the sequences of {type(dataset).__name__}")
    for i, name in enumerate(dataset.seq_names):
        try:
            with _quiet():
                dataset[i]
        except (AssertionError, ValueError, OSError) as error:
            raise SourceError(
                f"eval: {name}: pictures and annotation do not fit ({error or 'another number of each'}); "
                "is a frame missing, or the annotation cut?"
            ) from error


def _run_ope(
    experiment: Any, out: Path, contenders: dict[str, Contender], title: str, origin: float
) -> dict[str, Any]:
    results = Path(experiment.result_dir)
    for name, contender in contenders.items():
        _run(experiment, InPackageForm(name, contender, origin))
        for s, sequence in enumerate(experiment.dataset.seq_names):
            _check_result(results / name / f"{sequence}.txt", len(experiment.dataset[s][1]))
    with _quiet():
        performance = experiment.report(list(contenders))
    rows = {}
    for name, row in performance.items():
        overall = row["overall"]
        rows[name] = {
            "success": overall["success_score"],
            "precision": overall["precision_score"],
            "normalised_precision": _normalised(experiment, results / name),
            "by_sequence": {s: v["success_score"] for s, v in row["seq_wise"].items()},
        }
    return _written(out, title, rows)


def _run(experiment: Any, tracker: InPackageForm) -> None:
    """Sequence by sequence, so that a bar can move; finished result files are kept by the package."""
    dataset = experiment.dataset
    whole = list(dataset.seq_names)
    for i in track(range(len(whole)), tracker.name, transient=True):
        experiment.dataset = _One(dataset, i)
        with _quiet():
            experiment.run(tracker)
    experiment.dataset = dataset


class _One:
    """One sequence of a data set of the package."""

    def __init__(self, dataset: Any, index: int) -> None:
        self._item, self.seq_names, self.return_meta = dataset[index], [dataset.seq_names[index]], False

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        if index != 0:
            raise IndexError(index)
        return self._item


def _check_result(path: Path, rows: int) -> None:
    """A result file of another length is set aside and named, so that no mean counts it.

    Raises:
        SourceError: running again makes it anew.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = len(np.atleast_2d(np.loadtxt(path, delimiter=",")))
    except (OSError, ValueError) as error:
        found, reason = 0, str(error)
    else:
        reason = f"it has {found} rows for {rows} frames"
    if found == rows:
        return
    if path.is_file():
        path.replace(path.with_suffix(".damaged"))
    raise SourceError(
        f"eval: the result {path} is damaged ({reason}); it was set aside, run again to make it anew"
    )


def normalised_precision(boxes: Floats, truth: Floats) -> float:
    """Area under the share of frames whose centre error, in sizes of the truth, is within 0 … .5.

    N×4 xywh boxes; the value lies in [0, 1]. Müller et al. 2018 (TrackingNet), section 5.1.
    """
    centres = (boxes[:, :2] + boxes[:, 2:] / 2) - (truth[:, :2] + truth[:, 2:] / 2)
    errors = np.linalg.norm(centres / np.maximum(truth[:, 2:], 1e-9), axis=1)
    return float((errors[None] <= NORMALISED[:, None]).mean())


def _normalised(experiment: Any, results: Path) -> float:
    values = []
    for s, name in enumerate(experiment.dataset.seq_names):
        truth = np.asarray(experiment.dataset[s][1], float)
        boxes = np.loadtxt(results / f"{name}.txt", delimiter=",")
        boxes[0] = truth[0]
        seen = np.isfinite(truth).all(1)
        values.append(normalised_precision(boxes[seen], truth[seen]))
    return float(np.mean(values))


def _written(out: Path, title: str, rows: dict[str, Any]) -> dict[str, Any]:
    document = {"benchmark": title, "host": describe_host(), "rows": rows}
    out.mkdir(parents=True, exist_ok=True)
    name = title.lower().replace(" ", "_").replace("(", "").replace(")", "")
    (out / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    return document


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The package prints a line a sequence; our bar tells the same."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
