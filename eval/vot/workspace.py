"""What the official VOT toolkit reads: sequences, a stack, and trackers that speak TraX."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from eval.data.sequences import Sequence
from eval.results.store import folder_for
from eval.vot.layout import write_vot
from eval.vot.protocols import Annotated
from tracker.errors import SourceError
from tracker.files import write_text

ALIASES = {
    "vot2016": "vot2016/rgb",
    "vot2018": "vot2018/shortterm",
    "vot2022stb": "vot2022/shorttermbox",
    "local": "./stack.yaml",
}
TRACKER_TIMEOUT_S = 120
REPETITIONS = 3
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Experiment:
    """One of a stack: its kind (supervised, multistart, unsupervised) and the EAO's interval."""

    kind: str
    low: int | None = None
    high: int | None = None


def write_workspace(
    sequences: list[Sequence], stack: str, workspace: Path, contenders: list[str], model: str
) -> list[Annotated]:
    """Sequences in VOT's layout, config.yaml, trackers.ini, and stack.yaml for `local`."""
    folder_for(workspace)
    annotated = write_vot(sequences, workspace / "sequences")
    if stack == "local":
        shortest = min(len(a.truth) for a in annotated)
        write_text(workspace / "stack.yaml", yaml.safe_dump(local_stack(shortest), sort_keys=False))
    config = {"registry": ["./trackers.ini"], "sequences": "sequences", "stack": ALIASES.get(stack, stack)}
    write_text(workspace / "config.yaml", yaml.safe_dump(config))
    write_text(workspace / "trackers.ini", "\n".join(_registration(name, model) for name in contenders))
    return annotated


def local_interval(shortest: int) -> tuple[int, int]:
    """First and last frame of an EAO that clips of `shortest` frames can give."""
    return max(2, shortest // 5), max(4, shortest * 3 // 5)


def local_stack(shortest: int) -> dict[str, Any]:
    """Reset, real-time, anchors, no correction; the EAO interval fits clips of `shortest` frames."""
    low, high = local_interval(shortest)
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
    """Read the experiments of the workspace's stack, with the interval of their EAO.

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
    """Return a contender's name in the letters that the toolkit allows."""
    return "".join(c if c.isalnum() else "_" for c in name)


def _registration(name: str, model: str) -> str:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    model = str(Path(model).resolve()) if Path(model).is_dir() else model
    return (
        f"[{identifier(name)}]\nlabel = {name}\nprotocol = trax\n"
        f"command = {sys.executable} -m eval.vot.trax_server --contender {name} --model {model}\n"
        f"timeout = {TRACKER_TIMEOUT_S}\nenv_PYTHONPATH = {path}\n"
    )
