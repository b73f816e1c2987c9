"""VOT by the official toolkit: write a workspace, register trackers over TraX, run, analyse.

    python app.py eval vot ../shared/data/video/dev --stack local --workspace WS --contenders default,kcf

The toolkit lives in an environment of its own, made on first use. It exits 0
when a tracker dies and keeps stale analyses, so results are counted as files
and its cache is cleared before every analysis.
"""

import json
import os
import subprocess
import sys
import time
import venv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from eval.layouts import write_vot
from eval.regions import rectangle
from eval.sequences import Sequence
from eval.vot_protocols import (
    FAILURE,
    INITIALIZATION,
    SEEN,
    UNKNOWN,
    Annotated,
    Scores,
    Trajectory,
    anchor_orders,
    anchor_scores,
    reset_scores,
)
from tracker.errors import SourceError, TrackerError

TOOLKIT = ("vot-toolkit==0.7.4", "attributee==0.1.9")
ALIASES = {
    "vot2016": "vot2016/rgb",
    "vot2018": "vot2018/shortterm",
    "vot2022stb": "vot2022/shorttermbox",
    "local": "./stack.yaml",
}
TRACKER_TIMEOUT_S = 120
REPETITIONS = 3
ROOT = Path(__file__).parents[1]


class ToolkitError(TrackerError):
    """The official toolkit, or a tracker under it, did not do its work."""


@dataclass(frozen=True)
class Experiment:
    """One of a stack: its kind (supervised, multistart, unsupervised) and the EAO's interval."""

    kind: str
    low: int | None = None
    high: int | None = None


def evaluate_vot(
    sequences: list[Sequence], stack: str, workspace: Path, contenders: list[str], model: str = "default"
) -> dict[str, Any]:
    """Run and analyse the contenders on the sequences; writes WORKSPACE/vot.json and returns it.

    An interrupted run goes on where it stopped. Raises ToolkitError when a
    tracker died, with the reason from its log.
    """
    toolkit = toolkit_environment()
    annotated = write_workspace(sequences, stack, workspace, contenders, model)
    experiments = read_stack(toolkit, workspace)
    idents = [identifier(name) for name in contenders]
    _run_toolkit(toolkit, workspace, ["evaluate", *idents], experiments, idents, annotated)
    _check_results(workspace, experiments, idents, annotated)
    official = _analyse(toolkit, workspace, idents)
    document = {
        "stack": stack,
        "toolkit": TOOLKIT[0],
        "sequences": {a.name: len(a.truth) for a in annotated},
        "contenders": {
            name: {
                experiment: _summary(what, workspace, experiment, identifier(name), annotated, official)
                for experiment, what in experiments.items()
            }
            for name in contenders
        },
    }
    (workspace / "vot.json").write_text(json.dumps(document, indent=1) + "\n")
    return document


def toolkit_environment() -> Path:
    """The folder of the toolkit's own programs; installed on first use (about 600 MB)."""
    base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "depthgate" / "vot-toolkit-0.7.4"
    programs = base / "bin"
    if not (programs / "vot").is_file():
        print(f"installing the official toolkit once, in {base}", file=sys.stderr)
        venv.create(base, with_pip=True)
        command = [str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", *TOOLKIT]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolkitError(f"vot: pip install {' '.join(TOOLKIT)} failed: {done.stderr.strip()[-300:]}")
    return programs


def write_workspace(
    sequences: list[Sequence], stack: str, workspace: Path, contenders: list[str], model: str
) -> list[Annotated]:
    """Sequences in VOT's layout, config.yaml, trackers.ini, and stack.yaml for `local`."""
    workspace.mkdir(parents=True, exist_ok=True)
    annotated = write_vot(sequences, workspace / "sequences")
    if stack == "local":
        shortest = min(len(a.truth) for a in annotated)
        (workspace / "stack.yaml").write_text(yaml.safe_dump(local_stack(shortest), sort_keys=False))
    config = {"registry": ["./trackers.ini"], "sequences": "sequences", "stack": ALIASES.get(stack, stack)}
    (workspace / "config.yaml").write_text(yaml.safe_dump(config))
    (workspace / "trackers.ini").write_text("\n".join(_registration(name, model) for name in contenders))
    return annotated


def local_stack(shortest: int) -> dict[str, Any]:
    """Reset, real-time, anchors, no correction; the EAO interval fits clips of `shortest` frames."""
    low, high = max(2, shortest // 5), max(4, shortest * 3 // 5)
    interval = {"low": low, "high": high}
    reset = [
        {"type": "supervised_average_ar", "sensitivity": 30},
        {"type": "supervised_eao_score", **interval},
        {"type": "supervised_eao_curve"},
    ]
    supervised = {"type": "supervised", "skip_initialize": 5, "analyses": reset}
    anchors = [
        {"type": "multistart_eao_score", **interval},
        {"type": "multistart_eao_curve", "high": high},
        {"type": "multistart_average_ar"},
    ]
    return {
        "title": "depthgate's stack for short clips",
        "experiments": {
            "baseline": {**supervised, "repetitions": REPETITIONS},
            "realtime": {**supervised, "repetitions": 1, "realtime": {"grace": 3}},
            "anchors": {"type": "multistart", "analyses": anchors},
            "unsupervised": {
                "type": "unsupervised",
                "repetitions": 1,
                "analyses": [{"type": "average_accuracy"}],
            },
        },
    }


def read_stack(toolkit: Path, workspace: Path) -> dict[str, Experiment]:
    """The experiments of the workspace's stack, with the interval of their EAO.

    Raises:
        SourceError: the toolkit has no such stack.
    """
    stack = yaml.safe_load((workspace / "config.yaml").read_text())["stack"]
    own = workspace / stack
    shipped = next(toolkit.parent.glob(f"lib/python*/site-packages/vot/stack/{stack}.yaml"), None)
    path = own if own.is_file() else shipped
    if path is None:
        raise SourceError(
            f"vot: got stack {stack!r}, expected one of {', '.join(ALIASES)} or an id of the toolkit"
        )
    experiments = yaml.safe_load(path.read_text())["experiments"]
    return {name: _experiment(what) for name, what in experiments.items()}


def _experiment(what: dict[str, Any]) -> Experiment:
    scores = [a for a in what["analyses"] if a["type"].endswith("eao_score")]
    interval = (scores[0]["low"], scores[0]["high"]) if scores else (None, None)
    return Experiment(what["type"], *interval)


def identifier(name: str) -> str:
    """A contender's name as the toolkit allows it."""
    return "".join(c if c.isalnum() else "_" for c in name)


def _registration(name: str, model: str) -> str:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    model = str(Path(model).resolve()) if Path(model).is_dir() else model
    return (
        f"[{identifier(name)}]\nlabel = {name}\nprotocol = trax\n"
        f"command = {sys.executable} -m eval.trax_server --contender {name} --model {model}\n"
        f"timeout = {TRACKER_TIMEOUT_S}\nenv_PYTHONPATH = {path}\n"
    )


def _run_toolkit(
    toolkit: Path,
    workspace: Path,
    arguments: list[str],
    experiments: dict[str, Experiment],
    idents: list[str],
    annotated: list[Annotated],
) -> None:
    """Run `vot` with a bar that counts finished sequences; its own words go to WORKSPACE/vot.log."""
    parts = [(t, e, a.name) for t in idents for e in experiments for a in annotated]
    environment = {**os.environ, "VOT_RESULTS_BINARY": "false"}
    columns = (TextColumn("official toolkit"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with open(workspace / "vot.log", "a") as log, Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=len(parts))
        process = subprocess.Popen(
            [str(toolkit / "vot"), *arguments], cwd=workspace, env=environment, stdout=log, stderr=log
        )
        try:
            while process.poll() is None:
                bar.update(task, completed=sum(bool(_trajectory_files(workspace, *p)) for p in parts))
                time.sleep(0.5)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise ToolkitError(f"vot: the toolkit ended with {process.returncode}: {_last_words(workspace)}")


def _trajectory_files(workspace: Path, ident: str, experiment: str, sequence: str) -> list[Path]:
    folder = workspace / "results" / ident / experiment / sequence
    return sorted(p for p in folder.glob(f"{sequence}_*.txt") if p.stem[len(sequence) + 1 :].isdigit())


def _check_results(
    workspace: Path, experiments: dict[str, Experiment], idents: list[str], annotated: list[Annotated]
) -> None:
    """A tracker that died leaves no trajectory, and the toolkit exits 0 all the same."""
    for ident in idents:
        for experiment, what in experiments.items():
            for sequence in annotated:
                found = len(_trajectory_files(workspace, ident, experiment, sequence.name))
                expected = len(anchor_orders(sequence)) if what.kind == "multistart" else 1
                if found < expected:
                    raise ToolkitError(
                        f"vot: {ident} gave no result for {experiment} on {sequence.name}: "
                        f"{_last_words(workspace, ident)}; run again to go on from there"
                    )


def _last_words(workspace: Path, ident: str = "") -> str:
    """The last line that says something, of the tracker's log or of the toolkit's."""
    logs = sorted((workspace / "logs").glob(f"{ident}_*.log"), key=lambda p: p.stat().st_mtime)
    path = logs[-1] if ident and logs else workspace / "vot.log"
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    faults = [line for line in lines if "error" in line.lower()] or lines
    return f"{faults[-1] if faults else 'it said nothing'} (see {path})"


def _analyse(toolkit: Path, workspace: Path, idents: list[str]) -> dict[str, Any]:
    """`vot analysis` afresh, as the toolkit's JSON."""
    for stale in (workspace / "cache").glob("analysis/**/*"):
        if stale.is_file():
            stale.unlink()
    command = [str(toolkit / "vot"), "analysis", *idents, "--format", "json", "--name", "depthgate"]
    environment = {**os.environ, "VOT_PERSISTENT_CACHE": "false", "VOT_RESULTS_BINARY": "false"}
    written = workspace / "analysis" / "depthgate.json"
    written.unlink(missing_ok=True)
    with open(workspace / "vot.log", "a") as log:
        subprocess.run(command, cwd=workspace, env=environment, stdout=log, stderr=log, check=False)
    if not written.is_file():
        raise ToolkitError(f"vot: the analysis wrote nothing: {_last_words(workspace)}")
    return dict(json.loads(written.read_text()))


def read_trajectory(path: Path) -> Trajectory:
    """A result file of the toolkit: a region a row, or a code (0 unknown, 1 start, 2 failure)."""
    regions, marks = [], []
    for line in path.read_text().split():
        values = [float(v) for v in line.split(",")]
        special = len(values) == 1
        regions.append(None if special else rectangle(values))
        marks.append({0: UNKNOWN, 1: INITIALIZATION, 2: FAILURE}[int(values[0])] if special else SEEN)
    return Trajectory(regions, marks)


def built_in_scores(
    what: Experiment, workspace: Path, experiment: str, ident: str, annotated: list[Annotated]
) -> Scores | None:
    """Our own measures of the trajectories that the toolkit wrote; None for kinds without an EAO."""
    if what.low is None or what.high is None:
        return None
    runs = []
    for sequence in annotated:
        files = _trajectory_files(workspace, ident, experiment, sequence.name)
        if what.kind == "multistart":
            by_start = {int(f.stem[-8:]): f for f in files}
            files = [by_start[order[0]] for order in anchor_orders(sequence)]
        runs.append((sequence, [read_trajectory(f) for f in files]))
    scores = anchor_scores if what.kind == "multistart" else reset_scores
    return scores(runs, what.low, what.high)


def _summary(
    what: Experiment,
    workspace: Path,
    experiment: str,
    ident: str,
    annotated: list[Annotated],
    official: dict[str, Any],
) -> dict[str, Any]:
    """The toolkit's numbers; an EAO that the clips are too short for is None, with the reason."""
    numbers = official_numbers(official, experiment, ident)
    ours = built_in_scores(what, workspace, experiment, ident, annotated)
    if ours is not None:
        if ours.eao is None:
            numbers["eao"] = None
            numbers["why"] = ours.why
        numbers["built_in"] = asdict(ours)
        numbers["interval"] = [what.low, what.high]
    return {"kind": what.kind, **numbers}


def official_numbers(official: dict[str, Any], experiment: str, ident: str) -> dict[str, Any]:
    """accuracy, robustness and eao of the toolkit's analysis document, those that it has."""
    row = list(official["trackers"]).index(ident)
    part = official["results"][experiment]
    numbers: dict[str, Any] = {}
    for analysis, rows in zip(part["parameters"]["analyses"], part["results"], strict=True):
        kind, value = analysis["type"].rsplit(".", 1)[-1], rows[row]
        if kind == "AverageAccuracyRobustness":
            numbers["accuracy"], numbers["robustness"] = value[:2]
        elif kind == "EAOScore":
            numbers["eao"] = value[0]
        elif kind == "AverageAccuracy":
            numbers["accuracy"] = value[0]
    return numbers
