"""The official VOT toolkit as a program: its environment, its runs, its result files.

It exits 0 when a tracker dies and keeps stale analyses, so results are
counted as files and its cache is cleared before every analysis.
"""

import json
import os
import re
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from eval.data.regions import rectangle
from eval.vot.protocols import (
    FAILURE,
    INITIALIZATION,
    SEEN,
    UNKNOWN,
    Annotated,
    Trajectory,
    anchor_orders,
)
from eval.vot.workspace import Experiment
from tracker.cache import user_cache
from tracker.errors import TrackerError

TOOLKIT = ("vot-toolkit==0.7.4", "attributee==0.1.9")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class ToolkitError(TrackerError):
    """The official toolkit, or a tracker under it, did not do its work."""


def toolkit_environment() -> Path:
    """Return the folder of the toolkit's own programs; install it on first use (about 600 MB)."""
    base = user_cache() / "vot-toolkit-0.7.4"
    programs = base / "bin"
    if not (programs / "vot").is_file():
        print(f"installing the official toolkit once, in {base}", file=sys.stderr)
        venv.create(base, with_pip=True)
        command = [str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", *TOOLKIT]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolkitError(f"vot: pip install {' '.join(TOOLKIT)} failed: {done.stderr.strip()[-300:]}")
    return programs


def run_toolkit(
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
                bar.update(task, completed=sum(bool(trajectory_files(workspace, *p)) for p in parts))
                time.sleep(0.5)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise ToolkitError(f"vot: the toolkit ended with {process.returncode}: {last_words(workspace)}")


def trajectory_files(workspace: Path, ident: str, experiment: str, sequence: str) -> list[Path]:
    """Return the trajectory files that the toolkit wrote, without the files of values beside them."""
    folder = workspace / "results" / ident / experiment / sequence
    return sorted(p for p in folder.glob(f"{sequence}_*.txt") if p.stem[len(sequence) + 1 :].isdigit())


def set_damaged_aside(workspace: Path, ident: str, experiment: str, sequence: Annotated, kind: str) -> None:
    """Rename cut or unreadable trajectories, and say so; the toolkit then makes them anew."""
    lengths = {order[0]: len(order) for order in anchor_orders(sequence)}
    for path in trajectory_files(workspace, ident, experiment, sequence.name):
        number = int(path.stem[len(sequence.name) + 1 :])
        expected = lengths.get(number, 0) if kind == "multistart" else len(sequence.truth)
        try:
            found = len(read_trajectory(path).marks)
        except ValueError:
            found = 0
        if found != expected:
            path.replace(path.with_suffix(".damaged"))
            print(
                f"vot: {path} is damaged ({found} whole rows for {expected} frames); "
                "it was set aside and is made anew",
                file=sys.stderr,
            )


def check_results(
    workspace: Path, experiments: dict[str, Experiment], idents: list[str], annotated: list[Annotated]
) -> None:
    """Refuse missing trajectories: a tracker that dies leaves none, and the toolkit exits 0 all the same.

    Raises:
        ToolkitError: a trajectory is not there; with the reason from the tracker's log.
    """
    for ident in idents:
        for experiment, what in experiments.items():
            for sequence in annotated:
                found = len(trajectory_files(workspace, ident, experiment, sequence.name))
                expected = len(anchor_orders(sequence)) if what.kind == "multistart" else 1
                if found < expected:
                    raise ToolkitError(
                        f"vot: {ident} gave no result for {experiment} on {sequence.name}: "
                        f"{last_words(workspace, ident)}; run again to go on from there"
                    )


def last_words(workspace: Path, ident: str = "") -> str:
    """Return the last informative line of the tracker's log, or else of the toolkit's."""
    logs = sorted((workspace / "logs").glob(f"{ident}_*.log"), key=lambda p: p.stat().st_mtime)
    path = logs[-1] if ident and logs else workspace / "vot.log"
    said = COLOURS.sub("", path.read_text(errors="replace")) if path.is_file() else ""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    faults = [line for line in lines if "error" in line.lower()] or lines
    return f"{faults[-1] if faults else 'it said nothing'} (see {path})"


def analyse(toolkit: Path, workspace: Path, idents: list[str]) -> dict[str, Any]:
    """`vot analysis` afresh, as the toolkit's JSON.

    Raises:
        ToolkitError: it wrote none.
    """
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
        raise ToolkitError(f"vot: the analysis wrote nothing: {last_words(workspace)}")
    return dict(json.loads(written.read_text()))


def read_trajectory(path: Path) -> Trajectory:
    """Read a result file of the toolkit: a region per row, or a code (0 unknown, 1 start, 2 failure).

    Raises:
        ValueError: a row is neither.
    """
    codes = {0: UNKNOWN, 1: INITIALIZATION, 2: FAILURE}
    regions, marks = [], []
    for line in path.read_text().split():
        values = [float(v) for v in line.split(",")]
        special = len(values) == 1
        if len(values) not in (1, 4) or (special and values[0] not in codes):
            raise ValueError(f"{path}: got {line!r}, expected x,y,w,h or a code of {sorted(codes)}")
        regions.append(None if special else rectangle(values))
        marks.append(codes[int(values[0])] if special else SEEN)
    return Trajectory(regions, marks)
