"""Stages are timed once, with and without exits, and counted as the network counts them."""

import json

import pytest

from models.nas.space import enumerate_space
from models.network import DepthGate
from tracker.errors import TrackerError
from training.nas.search.design import Design
from training.nas.select.latency import measure_stage, open_times


def test_a_stage_is_measured_once_and_kept(tmp_path, monkeypatch):
    import training.nas.select.latency as room

    monkeypatch.setattr(room, "RUNS", 2)
    network = Design.of_row(5, scale=0.5, depths=(1, 1, 1, 1)).network(enumerate_space())
    times = open_times(tmp_path / "times.json")
    costs = times.of(network)
    assert len(costs) == 4 and all(c.seconds > 0 for c in costs)
    times.save()
    monkeypatch.setattr(room, "measure_stage", None)
    assert open_times(tmp_path / "times.json").of(network) == costs
    document = json.loads((tmp_path / "times.json").read_text())
    document["host"]["cpu"] = "another"
    (tmp_path / "times.json").write_text(json.dumps(document))
    with pytest.raises(TrackerError, match="measured on another, not here"):
        open_times(tmp_path / "times.json")
    (tmp_path / "times.json").write_text("{")
    with pytest.raises(TrackerError, match="delete it to measure anew"):
        open_times(tmp_path / "times.json")


def test_costs_of_a_network_are_of_its_stages_with_and_without_exits(monkeypatch):
    """A second a convolution: what is timed can be counted."""
    import onnx

    import training.nas.select.latency as room

    def count(graphs):
        found = {}
        for name, (written, inputs) in graphs.items():
            graph = onnx.load_from_string(written).graph
            assert [value.name for value in graph.input] == list(inputs)
            found[name] = sum(node.op_type == "Conv" for node in graph.node)
        return found

    monkeypatch.setattr(room, "_seconds", count)
    entry = room.measure_network("depthgate-s")
    of_an_exit = 1 + 2 + 2 * 2 + 2  # embedding, fuse and mix, two separable towers, score and box
    assert [a - b for a, b in zip(entry["seconds"], entry["backbone_seconds"], strict=False)] == [
        of_an_exit
    ] * 3
    assert entry["seconds"][3] > of_an_exit
    with pytest.raises(ValueError, match="did you mean 'depthgate-s'"):
        room.measure_network("depthgate-x")


def test_macs_of_a_measured_stage_are_those_of_the_network():
    from models.cost import macs

    spec = Design.of_row(19_554, scale=0.5, depths=(1, 1, 1, 1)).network(enumerate_space())
    _, without_exit = macs(DepthGate(spec).eval())
    assert measure_stage(spec.stages[0], None).macs == without_exit[0]
    assert measure_stage(spec.stages[1], spec.stages[0].width).macs == without_exit[1]
