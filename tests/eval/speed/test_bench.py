"""What is checked before anything is timed, and where costs are written."""

import pytest

from eval.speed.bench import bench
from eval.speed.forms import compare_forms
from eval.speed.parts import latency
from tracker import SourceError
from tracker.zoo import find


@pytest.mark.parametrize(
    "measure, reason",
    [
        pytest.param(lambda p: latency("default", [1], p), "is a folder", id="parts to a folder"),
        pytest.param(lambda p: bench(p, ["a"], json_file=p), "is a folder", id="updates to a folder"),
        pytest.param(lambda p: compare_forms("default", p / "none.onnx"), "cannot be read", id="no graph"),
        pytest.param(lambda p: compare_forms("default", p / "file"), "cannot be read", id="not a graph"),
        pytest.param(
            lambda p: compare_forms("default", find("default") / "stage_1.onnx"), "other inputs", id="a stage"
        ),
    ],
)
def test_places_and_graphs_are_checked_before_anything_is_timed(tmp_path, measure, reason):
    (tmp_path / "file").write_text("no graph")
    with pytest.raises(SourceError, match=reason):
        measure(tmp_path)
