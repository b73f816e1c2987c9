"""A graph of NanoTrack's head's form, made small, against ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tracker.errors import ModelError
from training.tasks.onnx_graph import OnnxGraph

C = 4


def constant(name: str, *shape: int) -> onnx.TensorProto:
    rng = np.random.default_rng(len(name))
    return numpy_helper.from_array(rng.normal(0, 0.5, shape).astype(np.float32), name)


def write_head(path: Path) -> Path:
    """Template and search features to a map: both kinds of correlation, as the teacher's head has them."""
    ints = {
        "rows": [1, C, 4],
        "cells": [1, C, 9],
        "map": [1, 4, 3, 3],
        "kernels": [C, 1, 2, 2],
        "one": [0, 0],
    }
    ints |= {"end": [2, 2], "axes": [2, 3]}
    constants = [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in ints.items()]
    constants += [constant("look", C, C, 1, 1), constant("bias", C), constant("end_conv", 2, 8, 1, 1)]
    constants += [numpy_helper.from_array(np.float32(v), k) for k, v in {"low": 0.0, "high": 6.0}.items()]
    node = helper.make_node
    nodes = [
        node("Conv", ["search", "look", "bias"], ["seen"]),
        node("Reshape", ["template", "rows"], ["a"]),
        node("Transpose", ["a"], ["at"], perm=[0, 2, 1]),
        node("Reshape", ["seen", "cells"], ["b"]),
        node("MatMul", ["at", "b"], ["ab"]),
        node("Reshape", ["ab", "map"], ["similar"]),
        node("GlobalAveragePool", ["similar"], ["mean"]),
        node("Relu", ["mean"], ["positive"]),
        node("Sigmoid", ["positive"], ["weight"]),
        node("Mul", ["similar", "weight"], ["weighed"]),
        node("Slice", ["template", "one", "end", "axes"], ["centre"]),
        node("Reshape", ["centre", "kernels"], ["k"]),
        node("Conv", ["search", "k"], ["d"], group=C, pads=[1, 1, 0, 0]),
        node("Clip", ["d", "low", "high"], ["clipped"]),
        node("Concat", ["weighed", "clipped"], ["all"], axis=1),
        node("Conv", ["all", "end_conv"], ["e"]),
        node("Exp", ["e"], ["out"]),
    ]
    inputs = [("template", [1, C, 2, 2]), ("search", [1, C, 3, 3])]
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 2, 3, 3])],
        initializer=constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def test_each_sample_of_a_batch_is_what_onnxruntime_says_of_it_alone(tmp_path):
    path = write_head(tmp_path / "head.onnx")
    torch.manual_seed(0)
    template, search = torch.randn(3, C, 2, 2), torch.randn(3, C, 3, 3)
    [got] = OnnxGraph(path)(template, search)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for i in range(3):
        feed = {"template": template[i : i + 1].numpy(), "search": search[i : i + 1].numpy()}
        assert np.allclose(got[i].numpy(), session.run(None, feed)[0][0], atol=1e-5)


def test_both_inputs_get_their_true_gradients(tmp_path):
    graph = OnnxGraph(write_head(tmp_path / "head.onnx"))
    torch.manual_seed(1)
    template = torch.randn(2, C, 2, 2, requires_grad=True)
    search = torch.randn(2, C, 3, 3, requires_grad=True)
    graph(template, search)[0].sum().backward()
    step = 1e-2
    for tensor, at in ((template, (1, 2, 0, 1)), (search, (0, 1, 2, 0))):
        moved = []
        for sign in (1, -1):
            other = tensor.detach().clone()
            other[at] += sign * step
            pair = (other, search.detach()) if tensor is template else (template.detach(), other)
            moved.append(graph(*pair)[0].sum())
        slope = float(moved[0] - moved[1]) / (2 * step)
        assert tensor.grad is not None
        assert float(tensor.grad[at]) == pytest.approx(slope, rel=0.05, abs=0.02)


def test_readers_are_the_weights_that_an_input_meets_first(tmp_path):
    [look] = [
        w for w in OnnxGraph(write_head(tmp_path / "head.onnx")).readers("search") if w.shape == (C, C, 1, 1)
    ]
    assert np.array_equal(look.numpy(), numpy_helper.to_array(constant("look", C, C, 1, 1)))


def test_an_unknown_operator_is_named(tmp_path):
    model = onnx.load(write_head(tmp_path / "head.onnx"))
    model.graph.node[-1].op_type = "Tan"
    (tmp_path / "odd.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="operator Tan, expected Conv"):
        OnnxGraph(tmp_path / "odd.onnx")
