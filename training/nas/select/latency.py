"""What a stage of a tracking backbone really takes: ONNX Runtime on this machine, one thread.

A time is the least of RUNS: whatever else the machine does can only add, and
shares of full depth, by which training weighs depth, then agree from run to
run. The stages of a network take turns. A measured stage is kept in a file with its host, so that a search
goes on where it stopped; another host's file is refused.
"""

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import onnxruntime
import torch

from eval.results.host import describe_host
from eval.results.store import write_json
from eval.speed.stopwatch import Stopwatch
from models.backbone import Stage, StageSpec
from models.cell_spec import CellSpec
from models.cost import conv_macs
from models.export import BackboneGraph, StageGraph, stage_inputs
from models.network import MAP_PX, NetworkSpec
from models.registry import build
from tracker.errors import TrackerError

WARM_UP, RUNS = 5, 40

Graph = tuple[bytes, dict[str, torch.Tensor]]
"""An ONNX graph and the inputs that it is timed with."""


class StageCost(NamedTuple):
    """Seconds and multiply-accumulates of one stage without its exit, for one frame."""

    seconds: float
    macs: int


@dataclass
class StageTimes:
    """Measured stages by their description; `file` holds them as JSON."""

    file: Path
    host: dict[str, object]
    known: dict[str, StageCost]

    def of(self, network: NetworkSpec) -> list[StageCost]:
        """Return the cost of every stage; measure those that are not known yet."""
        carries = [None, *(stage.width for stage in network.stages[:-1])]
        return [self._stage(stage, carry) for stage, carry in zip(network.stages, carries, strict=True)]

    def _stage(self, spec: StageSpec, carry: int | None) -> StageCost:
        key = json.dumps([asdict(spec) | {"cells": _codes(spec.cells), "early": _codes(spec.early)}, carry])
        if key not in self.known:
            self.known[key] = measure_stage(spec, carry)
        return self.known[key]

    def save(self) -> None:
        """Write the file."""
        document = {"host": self.host, "stages": {key: list(cost) for key, cost in self.known.items()}}
        write_json(self.file, document)


def open_times(file: Path) -> StageTimes:
    """Open the times measured so far, none yet where there is no file.

    Raises:
        TrackerError: they were taken on another machine, or the file cannot be read.
    """
    host = describe_host()
    if not file.is_file():
        return StageTimes(file, host, {})
    try:
        document = json.loads(file.read_text())
        known = {key: StageCost(*cost) for key, cost in document["stages"].items()}
        other = document["host"]
    except (ValueError, KeyError, TypeError) as error:
        raise TrackerError(f"latency: {file} cannot be read ({error}); delete it to measure anew") from error
    if (other["cpu"], other["flags"]) != (host["cpu"], host["flags"]):
        raise TrackerError(f"latency: {file} was measured on {other['cpu']}, not here; give another file")
    return StageTimes(file, host, known)


def measure_stage(spec: StageSpec, carry: int | None) -> StageCost:
    """One stage with weights at random, as a graph of its own."""
    stage = Stage(spec, carry).eval()
    inputs = [] if spec.side is None else [torch.rand(1, 3, spec.side, spec.side)]
    inputs += [] if carry is None else [torch.rand(1, carry, MAP_PX, MAP_PX)]
    names = [] if spec.side is None else ["crop"]
    names += [] if carry is None else ["carry"]
    with torch.inference_mode(), conv_macs(stage) as counts:
        stage(inputs[0] if spec.side else None, inputs[-1] if carry else None)
        macs = sum(counts.values())
    graph = _graph(_Call(stage, spec.side is not None), dict(zip(names, inputs, strict=True)))
    return StageCost(_seconds({"stage": graph})["stage"], macs)


def measure_network(name: str) -> dict[str, Any]:
    """Measure the entry of models/costs.json for a network of the registry, weights at random.

    Training weighs depth by it before there is an artefact to time.

    Raises:
        ValueError: no network has that name.
    """
    network = build(name).eval()
    depths = range(1, network.depths + 1)
    graphs: dict[str, Graph] = {}
    for k in depths:
        inputs = {key: value[:1] for key, value in stage_inputs(network, k).items()}
        graphs[f"stage_{k}"] = _graph(StageGraph(network, k), inputs)
        if k < network.depths:
            without = {key: value for key, value in inputs.items() if key != f"template_{k}"}
            graphs[f"backbone_{k}"] = _graph(BackboneGraph(network, k), without)
    seconds = {key: round(least, 7) for key, least in _seconds(graphs).items()}
    return {
        "seconds": [seconds[f"stage_{k}"] for k in depths],
        "backbone_seconds": [seconds[f"backbone_{k}"] for k in depths[:-1]],
        "command": f"python app.py search costs {name}",
        "host": describe_host(),
    }


def _seconds(graphs: dict[str, Graph]) -> dict[str, float]:
    """Return the least of RUNS of every graph; they take turns."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    sessions = {
        name: onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        for name, (graph, _) in graphs.items()
    }
    feeds = {name: {key: x.numpy() for key, x in inputs.items()} for name, (_, inputs) in graphs.items()}
    timed = Stopwatch(WARM_UP)
    for _ in range(WARM_UP + RUNS):
        for name, session in sessions.items():
            timed(name, session.run, None, feeds[name])
    return {name: min(taken) for name, taken in timed.seconds().items()}


class _Call(torch.nn.Module):
    def __init__(self, stage: Stage, reads_pixels: bool) -> None:
        super().__init__()
        self.stage, self.reads_pixels = stage, reads_pixels

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        rest = list(inputs)
        crop = rest.pop(0) if self.reads_pixels else None
        carry: torch.Tensor = self.stage(crop, rest.pop(0) if rest else None)
        return carry


def _graph(module: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> Graph:
    """Export by torch's older exporter; the newer one, which writes the artefact, takes 20 times as long."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(module, tuple(inputs.values()), path, input_names=list(inputs), dynamo=False)
        return path.read_bytes(), inputs


def _codes(cells: tuple[CellSpec, ...]) -> list[str]:
    return [cell.hash() for cell in cells]
