"""VOT: by the official toolkit, which drives the trackers over TraX, or by the protocols built in here.

    python app.py eval vot ../shared/data/video/dev --stack local --workspace WS --contenders default,kcf
    python app.py eval vot ../shared/data/video/dev --built-in --workspace WS --contenders default,kcf

The toolkit lives in an environment of its own, made on first use. The
built-in protocols run in this process on the decoded frames.
"""

from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import track

from eval.contenders.base import Contender
from eval.contenders.names import describe_model, make_contender, origin
from eval.data.layouts import unique_names
from eval.data.sequences import Sequence, read_frames
from eval.results.host import describe_host
from eval.results.store import digest, folder_for, forget_unless, video_stamp, write_json
from eval.vot.layout import annotate
from eval.vot.protocols import (
    Annotated,
    Scores,
    Trajectory,
    anchor_orders,
    anchor_runs,
    anchor_scores,
    reset_run,
    reset_scores,
)
from eval.vot.toolkit import (
    TOOLKIT,
    analyse,
    check_results,
    read_trajectory,
    run_toolkit,
    set_damaged_aside,
    toolkit_environment,
    trajectory_files,
)
from eval.vot.workspace import Experiment, identifier, local_interval, read_stack, write_workspace
from tracker import Tracker
from tracker.errors import SourceError

BUILT_IN = {
    "vot2016": {"baseline": Experiment("supervised", 108, 371)},
    "vot2018": {"baseline": Experiment("supervised", 100, 356)},
    "vot2022stb": {"baseline": Experiment("multistart", 115, 755)},
}


def evaluate_vot(
    sequences: list[Sequence], stack: str, workspace: Path, contenders: list[str], model: str = "default"
) -> dict[str, Any]:
    """Run and analyse the contenders on the sequences; writes WORKSPACE/vot.json and returns it.

    An interrupted run goes on where it stopped; what another model, stack,
    video or annotation made is run anew, and so is a damaged result.

    Raises:
        SourceError: no such contender or stack.
        ToolkitError: a tracker died, with the reason from its log.
    """
    tracker = Tracker.load(model)
    made_by = {identifier(name): origin(make_contender(name, tracker)) for name in contenders}
    toolkit = toolkit_environment()
    annotated = write_workspace(sequences, stack, workspace, contenders, model)
    experiments = read_stack(toolkit, workspace)
    for sequence, about in zip(sequences, annotated, strict=True):
        data = digest(stack, video_stamp(sequence.video), about.truth)
        for ident, maker in made_by.items():
            made = (workspace / "results" / ident).glob(f"*/{about.name}/*")
            forget_unless(digest(maker, data), workspace / "keys" / ident / about.name, made)
            for experiment, what in experiments.items():
                set_damaged_aside(workspace, ident, experiment, about, what.kind)
    run_toolkit(toolkit, workspace, ["evaluate", *made_by], experiments, list(made_by), annotated)
    check_results(workspace, experiments, list(made_by), annotated)
    official = analyse(toolkit, workspace, list(made_by))
    rows = {
        name: {
            experiment: _summary(what, workspace, experiment, identifier(name), annotated, official)
            for experiment, what in experiments.items()
        }
        for name in contenders
    }
    return _written(workspace / "vot.json", stack, TOOLKIT[0], tracker, annotated, rows)


def evaluate_built_in(
    sequences: list[Sequence], stack: str, out: Path, contenders: list[str], model: str = "default"
) -> dict[str, Any]:
    """Run the protocols without the toolkit, one repetition; write and return OUT/vot_built_in.json.

    Args:
        stack: `vot2016` and `vot2018` (resets), `vot2022stb` (anchors), or `local`: both, with an interval
            of the EAO that fits the shortest of the sequences.

    Raises:
        SourceError: no such contender or stack, or a video and an annotation of other lengths.
    """
    tracker = Tracker.load(model)
    makers = {name: make_contender(name, tracker) for name in contenders}
    experiments = _built_in_experiments(stack, min(len(s.boxes) for s in sequences))
    folder_for(out)
    annotated: list[Annotated] = []
    runs: dict[tuple[str, str], list[tuple[Annotated, list[Trajectory]]]] = defaultdict(list)
    names = unique_names(sequences)
    for name, sequence in track(list(zip(names, sequences, strict=True)), "built in", transient=True):
        frames = list(read_frames(sequence.video))
        annotated.append(annotate(sequence, name, frames))
        for maker, contender in makers.items():
            for experiment, what in experiments.items():
                done = _trajectories(what.kind, contender, frames, annotated[-1])
                runs[maker, experiment].append((annotated[-1], done))
    rows = {
        maker: {e: _built_in_row(what, _scores(what, runs[maker, e])) for e, what in experiments.items()}
        for maker in makers
    }
    return _written(out / "vot_built_in.json", stack, "none: built in", tracker, annotated, rows)


def _built_in_experiments(stack: str, shortest: int) -> dict[str, Experiment]:
    interval = local_interval(shortest)
    local = {"baseline": Experiment("supervised", *interval), "anchors": Experiment("multistart", *interval)}
    stacks = {**BUILT_IN, "local": local}
    if stack not in stacks:
        raise SourceError(f"vot: got stack {stack!r}; built in are {', '.join(stacks)}")
    return stacks[stack]


def _trajectories(kind: str, contender: Contender, frames: Any, sequence: Annotated) -> list[Trajectory]:
    if kind == "multistart":
        return anchor_runs(contender, frames, sequence)
    return [reset_run(contender, frames, sequence)]


def _scores(what: Experiment, runs: list[tuple[Annotated, list[Trajectory]]]) -> Scores | None:
    """Compute A, R and EAO; None for kinds without an EAO."""
    if what.low is None or what.high is None:
        return None
    scores = anchor_scores if what.kind == "multistart" else reset_scores
    return scores(runs, what.low, what.high)


def _built_in_row(what: Experiment, scores: Scores | None) -> dict[str, Any]:
    numbers = {} if scores is None else {k: v for k, v in asdict(scores).items() if k != "why" or v}
    return {"kind": what.kind, **numbers, "interval": [what.low, what.high]}


def built_in_scores(
    what: Experiment, workspace: Path, experiment: str, ident: str, annotated: list[Annotated]
) -> Scores | None:
    """Our own measures of the trajectories that the toolkit wrote; None for kinds without an EAO."""
    runs = []
    for sequence in annotated:
        files = trajectory_files(workspace, ident, experiment, sequence.name)
        if what.kind == "multistart":
            by_start = {int(f.stem[-8:]): f for f in files}
            files = [by_start[order[0]] for order in anchor_orders(sequence)]
        runs.append((sequence, [read_trajectory(f) for f in files]))
    return _scores(what, runs)


def _summary(
    what: Experiment,
    workspace: Path,
    experiment: str,
    ident: str,
    annotated: list[Annotated],
    official: dict[str, Any],
) -> dict[str, Any]:
    """Collect the toolkit's numbers; None, with the reason, for an EAO that the clips are too short for."""
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


def _written(
    path: Path, stack: str, toolkit: str, tracker: Tracker, annotated: list[Annotated], rows: dict[str, Any]
) -> dict[str, Any]:
    document = {
        "stack": stack,
        "toolkit": toolkit,
        **describe_model(tracker),
        "host": describe_host(),
        "sequences": {a.name: len(a.truth) for a in annotated},
        "contenders": rows,
    }
    write_json(path, document)
    return document
