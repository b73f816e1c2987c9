"""A small ONNX graph as torch operations, so that a loss can go through a network known only as a file.

Made for NanoTrack's head: its weights stay as they are, its inputs get gradients, and N may be anything. A
convolution whose kernel was computed from the template becomes a grouped one, a group a sample and channel.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper
from torch import Tensor

from tracker.errors import ModelError

Attributes = dict[str, Any]


class OnnxGraph:
    """Call it with the graph's inputs, N×C×h×w each, in order; it returns the outputs.

    Raises:
        ModelError: an operator or padding that `OPERATORS` does not know.
    """

    def __init__(self, path: Path) -> None:
        graph = onnx.load(path).graph
        self._constants = {t.name: _tensor(t) for t in graph.initializer}
        self._nodes: list[tuple[onnx.NodeProto, Attributes]] = []
        for node in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                self._constants[node.output[0]] = _tensor(attributes["value"])
            elif node.op_type in OPERATORS:
                self._nodes.append((node, attributes))
            else:
                raise ModelError(f"{path}: got operator {node.op_type}, expected {', '.join(OPERATORS)}")
        self._inputs = [i.name for i in graph.input if i.name not in self._constants]
        self._outputs = [o.name for o in graph.output]

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        n = len(inputs[0])
        values = self._constants | dict(zip(self._inputs, inputs, strict=True))
        for node, attributes in self._nodes:
            arguments = [values[name] if name else None for name in node.input]
            computed = node.op_type == "Conv" and node.input[1] not in self._constants
            operator = _convolve_each if computed else OPERATORS[node.op_type]
            values[node.output[0]] = operator(n, arguments, attributes)
        return [values[name] for name in self._outputs]

    def readers(self, name: str) -> list[Tensor]:
        """Return the weights of the convolutions that take the input `name` first."""
        return [
            self._constants[node.input[1]]
            for node, _ in self._nodes
            if node.op_type == "Conv" and node.input[0] == name and node.input[1] in self._constants
        ]

    def to(self, device: torch.device) -> "OnnxGraph":
        """Move the constants; returns itself."""
        self._constants = {name: value.to(device) for name, value in self._constants.items()}
        return self


def _tensor(proto: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(np.array(numpy_helper.to_array(proto)))


def _convolve(n: int, arguments: list[Any], attributes: Attributes) -> Tensor:
    x, weight, *bias = arguments
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    return F.conv2d(
        F.pad(x, (left, right, top, bottom)),
        weight,
        bias[0] if bias else None,
        stride=attributes.get("strides", (1, 1)),
        groups=attributes.get("group", 1),
    )


def _convolve_each(n: int, arguments: list[Any], attributes: Attributes) -> Tensor:
    """Convolve each sample's channels with its own kernels: N×C×h×w and (N·C)×1×k×k."""
    x, kernels = arguments
    together = x.reshape(1, -1, *x.shape[2:])
    out = _convolve(n, [together, kernels], attributes | {"group": kernels.shape[0]})
    each: Tensor = out.reshape(n, -1, *out.shape[2:])
    return each


def _reshape(n: int, arguments: list[Any], attributes: Attributes) -> Tensor:
    """Reshape; the graph was traced with one sample, so the first axis takes what the others leave."""
    x, shape = arguments
    rest = [int(k) for k in shape[1:]]
    shaped: Tensor = x.reshape(n, *rest) if -1 in rest else x.reshape(-1, *rest)
    return shaped


def _slice(n: int, arguments: list[Any], attributes: Attributes) -> Tensor:
    x, starts, ends, axes = arguments[:4]
    for start, end, axis in zip(starts.tolist(), ends.tolist(), axes.tolist(), strict=True):
        x = x[(slice(None),) * axis + (slice(start, end),)]
    part: Tensor = x
    return part


def _clip(n: int, arguments: list[Any], attributes: Attributes) -> Tensor:
    x, *limits = arguments
    low, high = limits if limits else (attributes["min"], attributes["max"])
    clipped: Tensor = x.clamp(float(low), float(high))
    return clipped


OPERATORS: dict[str, Callable[[int, list[Any], Attributes], Tensor]] = {
    "Conv": _convolve,
    "Reshape": _reshape,
    "Slice": _slice,
    "Clip": _clip,
    "Transpose": lambda n, a, at: a[0].permute(at["perm"]),
    "MatMul": lambda n, a, at: a[0] @ a[1],
    "GlobalAveragePool": lambda n, a, at: a[0].mean((2, 3), keepdim=True),
    "Relu": lambda n, a, at: F.relu(a[0]),
    "Sigmoid": lambda n, a, at: torch.sigmoid(a[0]),
    "Mul": lambda n, a, at: a[0] * a[1],
    "Concat": lambda n, a, at: torch.cat(a, at["axis"]),
    "Exp": lambda n, a, at: torch.exp(a[0]),
}
