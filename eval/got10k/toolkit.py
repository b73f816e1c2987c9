"""OTB, GOT-10k and the other data sets of the got10k package, by its own experiments.

    python app.py eval otb OTB --out results
    python app.py eval got10k GOT-10k --out results

The package computes the measures; here are a tracker in its form, data sets
that never touch the network, a check of every result file before it is
counted, and the normalised precision that the package lacks.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track

from eval.contenders.base import Contender, Ours
from eval.contenders.names import describe_model, origin
from eval.got10k.package_data import OTB_VERSIONS, open_dataset, quiet
from eval.results.host import describe_host
from eval.results.store import digest, folder_for, forget_unless, stamp, write_json
from tracker.arrays import Floats, Image
from tracker.boxes import Box
from tracker.errors import SourceError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from got10k.experiments import ExperimentGOT10k, ExperimentOTB, ExperimentUAV123
    from got10k.trackers import Tracker as PackageTracker

Contenders = dict[str, Contender]
NORMALISED = np.linspace(0, 0.5, 51)
OPE = {"uav123": "UAV123", "nfs": "NfS", "dtb70": "DTB70", "lasot": "LaSOT"}


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


def _bgr(image: Any) -> Image:
    return np.ascontiguousarray(np.asarray(image, np.uint8)[..., ::-1])


def evaluate_otb(root: Path, out: Path, contenders: Contenders, version: str) -> dict[str, Any]:
    """One-pass evaluation: success, precision at 20 px, normalised precision; sequences weigh the same.

    Raises:
        SourceError: no sequence there, or a sequence whose pictures and annotation do not fit.
    """
    dataset = open_dataset("OTB", root, version=OTB_VERSIONS[version], download=False)
    experiment = _experiment(ExperimentOTB, dataset, out, f"OTB-{version}")
    return _run_ope(experiment, out, contenders, f"OTB ({version})", origin_px=1.0)


def evaluate_ope(kind: str, root: Path, out: Path, contenders: Contenders) -> dict[str, Any]:
    """uav123, nfs (240 fps), dtb70 or lasot by the measures of OTB; frames with a NaN box are left out."""
    experiment = _experiment(ExperimentUAV123, open_dataset(OPE[kind], root), out, OPE[kind])
    return _run_ope(experiment, out, contenders, OPE[kind], origin_px=0.0)


def evaluate_got10k(root: Path, out: Path, contenders: Contenders, subset: str = "val") -> dict[str, Any]:
    """AO and SR of the val split, pooled over frames; for `test` a zip for the server and no numbers."""
    experiment = _experiment(ExperimentGOT10k, open_dataset("GOT10k", root, subset=subset), out, "GOT-10k")
    experiment.subset, experiment.repetitions = subset, 1
    results = Path(experiment.result_dir)
    for name, contender in contenders.items():
        _run(experiment, name, contender, "{0}/{0}_001.txt")
    with quiet():
        performance = experiment.report(list(contenders))
    rows: dict[str, Any] = {name: {"zip": str(results / f"{name}.zip")} for name in contenders}
    if subset != "test":
        overall = {name: row["overall"] for name, row in performance.items()}
        rows = {name: {"ao": row["ao"], "sr50": row["sr"]} for name, row in overall.items()}
    return _written(out, f"GOT-10k {subset}", contenders, rows)


def _experiment(made: Any, dataset: Any, out: Path, name: str) -> Any:
    """Make the package's experiment without its constructor, which would download what is missing."""
    folder_for(out)
    experiment = made.__new__(made)
    experiment.dataset = dataset
    experiment.result_dir, experiment.report_dir = str(out / "results" / name), str(out / "reports" / name)
    experiment.nbins_iou, experiment.nbins_ce = (101, None) if made is ExperimentGOT10k else (21, 51)
    return experiment


def _run_ope(
    experiment: Any, out: Path, contenders: Contenders, title: str, origin_px: float
) -> dict[str, Any]:
    results = Path(experiment.result_dir)
    for name, contender in contenders.items():
        _run(experiment, name, contender, "{0}.txt", origin_px)
    with quiet():
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
    return _written(out, title, contenders, rows)


def _run(
    experiment: Any,
    name: str,
    contender: Contender,
    result: str,
    origin_px: float = 0.0,
) -> None:
    """Run a contender sequence by sequence; the package skips those that have a result file.

    A file that another model made, or other pictures or boxes, is removed first.

    Args:
        result: a sequence's file within the contender's folder, with {0} for the sequence.
    """
    dataset, tracker = experiment.dataset, InPackageForm(name, contender, origin_px)
    keys = Path(f"{experiment.result_dir}.keys") / name
    try:
        for i in track(range(len(dataset)), name, transient=True):
            sequence, (images, boxes) = dataset.seq_names[i], dataset[i][:2]
            key = digest(origin(contender), stamp(map(Path, images)), boxes)
            file = Path(experiment.result_dir) / name / result.format(sequence)
            forget_unless(key, keys / sequence, [file])
            experiment.dataset = _One(dataset, i)
            with quiet():
                experiment.run(tracker)
            _check_result(file, len(images))
    except OSError as error:
        raise SourceError(f"eval: {sequence}: {error}; is a picture damaged?") from error
    finally:
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
    """Set aside a result file of the wrong length and name it, so that no mean counts it.

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


def _written(out: Path, title: str, contenders: Contenders, rows: dict[str, Any]) -> dict[str, Any]:
    ours = next((c.tracker for c in contenders.values() if isinstance(c, Ours)), None)
    model = {} if ours is None else describe_model(ours)
    document = {"benchmark": title, **model, "host": describe_host(), "rows": rows}
    name = title.lower().replace(" ", "_").replace("(", "").replace(")", "")
    write_json(out / f"{name}.json", document)
    return document
