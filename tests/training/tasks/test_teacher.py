import onnx
import pytest
from onnx import TensorProto, helper

from tracker.errors import ModelError
from training.tasks.teacher import NanoTrackTeacher

SHAPE = (1, 3, 255, 255)


def graph(*inputs: str, operator: str = "Relu") -> bytes:
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in inputs]
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, SHAPE)
    nodes = [helper.make_node(operator, [inputs[0]], ["out"])]
    model = helper.make_model(
        helper.make_graph(nodes, "part", given, [out]),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    return model.SerializeToString()


BACKBONE, HEAD = graph("input"), graph("input1", "input2")


@pytest.mark.parametrize(
    "backbone, head, says",
    [
        pytest.param(b"junk", HEAD, r"backbone\.onnx is no ONNX file", id="junk"),
        pytest.param(BACKBONE, b"junk", r"head\.onnx is no ONNX file", id="junk for a head"),
        pytest.param(b"", HEAD, r"backbone\.onnx got the inputs of no graph", id="empty"),
        pytest.param(HEAD, BACKBONE, r"backbone\.onnx got the inputs input1, input2, expected", id="swapped"),
        pytest.param(BACKBONE, BACKBONE, r"head\.onnx got the inputs input, expected", id="one for both"),
        pytest.param(
            BACKBONE, graph("input1", "input2", operator="No"), r"head\.onnx cannot be run", id="odd"
        ),
    ],
)
def test_files_that_are_no_teacher_are_named(tmp_path, backbone, head, says):
    paths = tmp_path / "backbone.onnx", tmp_path / "head.onnx"
    for path, content in zip(paths, (backbone, head), strict=True):
        path.write_bytes(content)
    with pytest.raises(ModelError, match=says) as error:
        NanoTrackTeacher(*paths, threads=1)
    assert "\n" not in str(error.value)


def test_graphs_with_the_right_inputs_are_taken(tmp_path):
    (tmp_path / "backbone.onnx").write_bytes(BACKBONE)
    (tmp_path / "head.onnx").write_bytes(HEAD)
    onnx.checker.check_model(tmp_path / "head.onnx")
    NanoTrackTeacher(tmp_path / "backbone.onnx", tmp_path / "head.onnx", threads=1)
