"""Write the artefact: a graph for the template, one per stage with and without its exit, the manifest.

    python app.py export RUN/weights.safetensors --out tracker/zoo/depthgate-s.pack

`single_graph` composes the stages into one graph of nested `If`s, whose
deeper branches hold their own weights: ONNX Runtime optimises a branch only
then, and runs nothing of it after a stop.
"""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
import yaml
from onnx import TensorProto, compose, helper
from torch import Tensor, nn

from models.card import write_manifest
from models.cost import macs, measured
from models.engine import load_network
from models.network import MAP_PX, SEARCH_PX, STRIDE, TEMPLATE_PX, DepthGate, pixels
from tracker.files import replacing_folder, write_bytes

OPSET = 18
FORMAT = 1
UNCALIBRATED = 0.5
DEFAULT_NETWORK = "depthgate-s"


class _Template(nn.Module):
    def __init__(self, network: DepthGate) -> None:
        super().__init__()
        self.network = network

    def forward(self, small: Tensor, large: Tensor) -> tuple[Tensor, ...]:
        crops = {2 * crop.shape[1]: pixels(crop) for crop in (small, large)}
        return tuple(self.network.template(crops))


class StageGraph(nn.Module):
    """Stage k with its inputs in the artefact's order: crop, carry, template (those it has)."""

    def __init__(self, network: DepthGate, k: int) -> None:
        super().__init__()
        self.network, self.k = network, k
        self.reads_pixels = network.spec.stages[k - 1].side is not None

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        rest = list(inputs)
        crop = pixels(rest.pop(0)) if self.reads_pixels else None
        carry = rest.pop(0) if self.k > 1 else None
        result = self.network.stage(self.k, crop, carry, rest.pop(0))
        outputs = (result.score, result.ltrb, result.statistics)
        return outputs if result.gate is None else (*outputs, result.gate, result.carry)


class BackboneGraph(nn.Module):
    """Stage k without its exit: what a frame takes that cannot stop there."""

    def __init__(self, network: DepthGate, k: int) -> None:
        super().__init__()
        self.stage, self.k = network.backbone.stages[k - 1], k
        self.reads_pixels = network.spec.stages[k - 1].side is not None

    def forward(self, *inputs: Tensor) -> Tensor:
        rest = list(inputs)
        crop = pixels(rest.pop(0)) if self.reads_pixels else None
        carry: Tensor = self.stage(crop, rest.pop(0) if self.k > 1 else None)
        return carry


def export(weights: Path, out: Path) -> Path:
    """Write the artefact folder `out` (named NAME.TAG); thresholds are 0.5 until calibrated.

    The recipe and the environment beside the weights of a run go into the
    manifest and the card; without them the network is the default one.

    Raises:
        ManifestError: no such weights, or they do not fit the recipe's network.
    """
    training = _provenance(weights.parent)
    architecture = training.get("recipe", {}).get("network", DEFAULT_NETWORK)
    network = load_network(weights, architecture)
    with replacing_folder(out) as folder:
        _write_graphs(network, folder)
        shutil.copyfile(weights, folder / "weights.safetensors")
        name, _, tag = out.name.partition(".")
        head = {"format": FORMAT, "name": name, "tag": tag}
        write_manifest(folder, head | _manifest(network, architecture, training))
    return out


def _write_graphs(network: DepthGate, folder: Path) -> None:
    templates = [f"template_{k}" for k in range(1, network.depths + 1)]
    _write_graph(_Template(network), _template_inputs(), templates, folder / "template.onnx")
    for k in range(1, network.depths + 1):
        outputs = ["score", "ltrb", "statistics"] + (["gate", "carry_out"] if k < network.depths else [])
        inputs = stage_inputs(network, k)
        _write_graph(StageGraph(network, k), inputs, outputs, folder / f"stage_{k}.onnx")
        if k < network.depths:
            del inputs[f"template_{k}"]
            _write_graph(BackboneGraph(network, k), inputs, ["carry_out"], folder / f"backbone_{k}.onnx")


def _provenance(run: Path) -> dict[str, Any]:
    """Read recipe and environment of a run folder, or an artefact's own; return {} where there is neither."""
    if (run / "manifest.json").is_file():
        return dict(json.loads((run / "manifest.json").read_text())["training"])
    if not (run / "recipe.yaml").is_file():
        return {}
    return {
        "recipe": yaml.safe_load((run / "recipe.yaml").read_text()),
        "environment": json.loads((run / "environment.json").read_text()),
    }


def _template_inputs() -> dict[str, Tensor]:
    sides = (TEMPLATE_PX // 2, TEMPLATE_PX)
    return {f"template_{side}": torch.zeros(2, side, side, 3, dtype=torch.uint8) for side in sides}


def stage_inputs(network: DepthGate, k: int) -> dict[str, Tensor]:
    """Return zeros in the shape of stage k's inputs by name, for two targets."""
    inputs: dict[str, Tensor] = {}
    side = network.spec.stages[k - 1].side
    if side is not None:
        inputs[f"search_{side}"] = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    if k > 1:
        inputs["carry"] = torch.zeros(2, network.spec.stages[k - 2].width, MAP_PX, MAP_PX)
    inputs[f"template_{k}"] = torch.zeros(2, *network.spec.heads[k - 1].template_shape)
    return inputs


def _write_graph(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], path: Path) -> None:
    n = torch.export.Dim("N", min=1, max=64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=_dynamic(module, inputs, n),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    write_bytes(path, model.SerializeToString())


def _dynamic(module: nn.Module, inputs: dict[str, Tensor], n: Any) -> Any:
    shapes = tuple({0: n} for _ in inputs)
    return shapes if isinstance(module, _Template) else (shapes,)


def _manifest(network: DepthGate, architecture: str, training: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of an artefact that is not calibrated yet, without its name, format and files."""
    import onnxruntime

    table = measured(network.spec)
    stage_macs, backbone_macs = macs(network)
    tau = [UNCALIBRATED] * (network.depths - 1)
    return {
        "precision": "fp32",
        "depths": network.depths,
        "geometry": {
            "template_px": TEMPLATE_PX,
            "search_px": SEARCH_PX,
            "stride": STRIDE,
            "map_px": MAP_PX,
            "first_cell_px": 0.0,
            "template_sides": [TEMPLATE_PX // 2, TEMPLATE_PX],
            "stage_sides": [stage.side for stage in network.spec.stages],
        },
        "decode": {"window": 0.455, "penalty": 0.138, "size_rate": 0.348},
        "state": {"unsure": 0.5, "lost": 0.25},
        "thresholds": {"default": tau, "table": []},
        "costs": {key: table[key] for key in ("seconds", "backbone_seconds", "host")},
        "macs": stage_macs,
        "backbone_macs": backbone_macs,
        "files": {},
        "versions": {
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "model": {
            "architecture": architecture,
            "cells": [[c.hash() for c in s.cells] for s in network.spec.stages],
        },
        "training": training,
    }


def single_graph(folder: Path, path: Path) -> Path:
    """Compose an artefact's stages into one graph of nested Ifs (one target, N = 1).

    Inputs `search_<side>`, `template_1` … `template_D`, `tau` (D − 1
    probabilities); outputs `score`, `ltrb`, `depth` (int64).
    """
    manifest = json.loads((folder / "manifest.json").read_text())
    depths = manifest["depths"]
    stages = [_prefixed(onnx.load(folder / f"stage_{k}.onnx"), k) for k in range(1, depths + 1)]
    body = _from_stage(stages, 1)
    inputs: dict[str, onnx.ValueInfoProto] = {}
    for stage in stages:
        for value in stage.graph.input:
            if "carry" not in value.name:
                inputs[value.name] = value
    tau = helper.make_tensor_value_info("tau", TensorProto.FLOAT, [depths - 1])
    outputs = _result_values(["score", "ltrb", "depth"])
    graph = helper.make_graph(
        body["nodes"], "depthgate", [*inputs.values(), tau], outputs, initializer=body["initializers"]
    )
    model = helper.make_model(graph, opset_imports=stages[0].opset_import, ir_version=stages[0].ir_version)
    onnx.checker.check_model(model)
    write_bytes(path, model.SerializeToString())
    return path


def _prefixed(model: onnx.ModelProto, k: int) -> onnx.ModelProto:
    """Put every name of stage k under `stage_k/`, but the host's inputs; its carry is stage k − 1's."""
    given = {value.name for value in model.graph.input if value.name != "carry"}
    model = compose.add_prefix(model, f"stage_{k}/")
    names = {f"stage_{k}/{name}": name for name in given} | {f"stage_{k}/carry": f"stage_{k - 1}/carry_out"}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    for value in model.graph.input:
        value.name = names.get(value.name, value.name)
    return model


def _from_stage(stages: list[onnx.ModelProto], k: int) -> dict[str, Any]:
    """Make nodes that run stage k and decide on the rest; outputs are score, ltrb, depth (suffixed @k)."""
    graph = stages[k - 1].graph
    nodes = list(graph.node)
    here = [f"stage_{k}/score", f"stage_{k}/ltrb", f"stage_{k}/depth"]
    depth = helper.make_node(
        "Constant", [], [here[2]], value=helper.make_tensor("depth", TensorProto.INT64, [1], [k])
    )
    suffix = "" if k == 1 else f"@{k}"
    out = [f"score{suffix}", f"ltrb{suffix}", f"depth{suffix}"]
    if k == len(stages):
        ends = [helper.make_node("Identity", [a], [b]) for a, b in zip(here, out, strict=True)]
        return {"nodes": [*nodes, depth, *ends], "initializers": list(graph.initializer), "outputs": out}
    index = helper.make_tensor("index", TensorProto.INT64, [1], [k - 1])
    nodes += [
        helper.make_node("Sigmoid", [f"stage_{k}/gate"], [f"stage_{k}/stop"]),
        helper.make_node("Constant", [], [f"stage_{k}/index"], value=index),
        helper.make_node("Gather", ["tau", f"stage_{k}/index"], [f"stage_{k}/tau"], axis=0),
        helper.make_node("Greater", [f"stage_{k}/stop", f"stage_{k}/tau"], [f"stage_{k}/stops"]),
        helper.make_node("Squeeze", [f"stage_{k}/stops"], [f"stage_{k}/stops_here"]),
    ]
    stop_names = [f"{name}@stop_{k}" for name in ("score", "ltrb", "depth")]
    stop = helper.make_graph(
        [depth, *(helper.make_node("Identity", [a], [b]) for a, b in zip(here, stop_names, strict=True))],
        f"stop_{k}",
        [],
        _result_values(stop_names),
    )
    deeper = _from_stage(stages, k + 1)
    go = helper.make_graph(
        deeper["nodes"], f"go_{k}", [], _result_values(deeper["outputs"]), initializer=deeper["initializers"]
    )
    nodes.append(helper.make_node("If", [f"stage_{k}/stops_here"], out, then_branch=stop, else_branch=go))
    return {"nodes": nodes, "initializers": list(graph.initializer), "outputs": out}


def _result_values(names: list[str]) -> list[onnx.ValueInfoProto]:
    """Declare score, ltrb and depth of one target, under the names given."""
    kinds = [
        (TensorProto.FLOAT, [1, 1, MAP_PX, MAP_PX]),
        (TensorProto.FLOAT, [1, 4, MAP_PX, MAP_PX]),
        (TensorProto.INT64, [1]),
    ]
    return [
        helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in zip(names, kinds, strict=True)
    ]
