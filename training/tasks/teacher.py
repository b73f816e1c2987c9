"""NanoTrack v3 as a teacher: its backbone's features, score map and boxes.

Weights: HonglinChu/SiamTrackers, Apache-2.0, two ONNX files given by path.
Its backbone is fed BGR 0 … 255 at 255 and 127 pixels and ends on a grid
whose cell i lies at pixel 16·i, as ours does, so a crop of one pixel less
needs no interpolation. Its head's cell i lies at pixel 16·i + 15 of the crop.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor

from models.network import MAP_PX, STRIDE
from tracker.arrays import Float32s, Image
from tracker.errors import ModelError
from training.data.pairs import Batch
from training.data.transfer import TensorBatch, copy_to, on_host
from training.tasks.losses import SoftTargets
from training.tasks.onnx_graph import OnnxGraph

INPUTS = {"backbone": {"input"}, "head": {"input1", "input2"}}
CPU = torch.device("cpu")
CELL_SHIFT = (0.5, 0.5, -0.5, -0.5)
"""Pixels from its head's ltrb, which count from a cell's middle, to ours."""
LEAST_DISTANCE, BACKGROUND_LOGIT = 0.02, -6.0


@dataclass(frozen=True)
class TeacherFeatures:
    """Raw backbone features: search N×96×16×16, template N×96×8×8."""

    search: Float32s
    template: Float32s


class NanoTrackTeacher:
    """Features and responses for a batch; `standardise` needs `fit` first.

    It computes on the CPU; tensors that it returns are on `device`.
    """

    def __init__(self, backbone: Path, head: Path, threads: int, device: torch.device = CPU) -> None:
        for path in (backbone, head):
            if not path.is_file():
                raise ModelError(
                    f"teacher: {path} is missing; set teacher.backbone and teacher.head, or teacher: null"
                )
        self._backbone = _session(backbone, _any_batch(_graph(backbone, "backbone")), threads)
        self._head = _session(head, _graph(head, "head"), threads)
        self._head_file = head
        self._device = device
        self.mean = np.zeros(96, np.float32)
        self.std = np.ones(96, np.float32)

    def fit(self, features: TeacherFeatures) -> None:
        """Take channel moments of the search features."""
        self.mean = features.search.mean((0, 2, 3))
        self.std = features.search.std((0, 2, 3))

    def standardise(self, features: Float32s) -> Tensor:
        shape = (1, -1, 1, 1)
        return copy_to((features - self.mean.reshape(shape)) / self.std.reshape(shape), self._device)

    def features(self, batch: Batch | TensorBatch) -> TeacherFeatures:
        search, template = (on_host(crops) for crops in (batch.search[256], batch.template[128]))
        return TeacherFeatures(self._embed(search[:, :255, :255]), self._embed(template[:, :127, :127]))

    def responses(self, features: TeacherFeatures) -> SoftTargets:
        """Lay the teacher's 15×15 map on cells 1 … 15 of ours; row and column 0 are unknown."""
        n = len(features.search)
        probability = np.zeros((n, MAP_PX, MAP_PX), np.float32)
        ltrb = np.ones((n, 4, MAP_PX, MAP_PX), np.float32)
        shift = np.array(CELL_SHIFT, np.float32).reshape(4, 1, 1)
        for i in range(n):
            feed = {"input1": features.template[i : i + 1], "input2": features.search[i : i + 1]}
            logits, distances = self._head.run(None, feed)
            probability[i, 1:, 1:] = 1 / (1 + np.exp(logits[0, 0] - logits[0, 1]))
            ltrb[i, :, 1:, 1:] = (distances[0] + shift) / STRIDE
        known = np.zeros_like(probability)
        known[:, 1:, 1:] = 1
        return SoftTargets(*(copy_to(array, self._device) for array in (probability, ltrb, known)))

    @cached_property
    def _torch_head(self) -> OnnxGraph:
        return OnnxGraph(self._head_file).to(self._device)

    def answers(self, search: Tensor, template: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the head says of standardised features N×96×16×16 and N×96×8×8, differentiable in both.

        Returns logits N×1×16×16 and ltrb N×4×16×16 in strides; row and column 0, which it does not
        have, say background.
        """
        mean, std = (torch.from_numpy(a).to(search).view(1, -1, 1, 1) for a in (self.mean, self.std))
        logits, distances = self._torch_head(template * std + mean, search * std + mean)
        score = logits[:, 1:].float() - logits[:, :1].float()
        shift = torch.tensor(CELL_SHIFT).to(score).view(1, 4, 1, 1)
        ltrb = ((distances.float() + shift) / STRIDE).clamp(min=LEAST_DISTANCE)
        return F.pad(score, (1, 0, 1, 0), value=BACKGROUND_LOGIT), F.pad(ltrb, (1, 0, 1, 0), value=1.0)

    def read(self, features: Tensor) -> Tensor:
        """Pass standardised search features N×96×h×w through the head's first layers."""
        rows = torch.cat([weight.flatten(1) for weight in self._torch_head.readers("input2")])
        rows = rows * torch.from_numpy(self.std).to(rows)
        rows = rows / (rows**2).sum(1).mean().sqrt()
        return F.conv2d(features.float(), rows[:, :, None, None])

    def _embed(self, crops: Image) -> Float32s:
        planes = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)
        return np.asarray(self._backbone.run(None, {"input": planes})[0])


def _graph(path: Path, part: str) -> onnx.ModelProto:
    """Read the file of that part of the teacher.

    Raises:
        ModelError: it is no ONNX file, or that of another network.
    """
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's own
        raise ModelError(f"teacher: {path} is no ONNX file; set teacher.{part} to NanoTrack v3's") from error
    names = [value.name for value in model.graph.input]
    if not INPUTS[part] <= set(names):
        raise ModelError(
            f"teacher: {path} got the inputs {', '.join(names) or 'of no graph'}, expected "
            f"{', '.join(sorted(INPUTS[part]))}; set teacher.{part} to NanoTrack v3's {part}"
        )
    return model


def _session(path: Path, model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own
        reason = str(error).splitlines()[0]
        raise ModelError(f"teacher: {path} cannot be run ({reason}); fetch it anew") from error


def _any_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """Free batch and sides of the published graph, which is fixed to one 255-px crop."""
    for value in (*model.graph.input, *model.graph.output):
        for axis in (0, 2, 3):
            dim = value.type.tensor_type.shape.dim[axis]
            dim.Clear()
            dim.dim_param = f"{value.name}_{axis}"
    del model.graph.value_info[:]
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for tensor in model.graph.initializer:
        if tensor.name in shapes:
            shape = numpy_helper.to_array(tensor).copy()
            shape[0] = -1
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    return model
