"""The official toolkit on a small pack: our measures of its trajectories are its own."""

import json

import pytest

import eval.vot as vot
from eval.sequences import read_pack
from eval.vot import ToolkitError, evaluate_vot, identifier, local_stack, read_trajectory
from eval.vot_protocols import FAILURE, INITIALIZATION, SEEN, UNKNOWN


def test_trajectories_are_read_with_their_codes(tmp_path):
    (tmp_path / "t.txt").write_text("1\n10.5,20,30,40\n2\n0\n")
    done = read_trajectory(tmp_path / "t.txt")
    assert done.marks == [INITIALIZATION, SEEN, FAILURE, UNKNOWN]
    assert done.regions[1].tolist() == [10.5, 20, 30, 40]


def test_the_local_stack_fits_short_clips():
    analyses = local_stack(105)["experiments"]["baseline"]["analyses"]
    low, high = analyses[1]["low"], analyses[1]["high"]
    assert 2 <= low < high < 105


def test_names_that_the_toolkit_allows():
    assert identifier("depth:1") == "depth_1" and identifier("kcf-no-threshold") == "kcf_no_threshold"


def test_a_tracker_that_died_is_named_although_the_toolkit_exits_0(pack, tmp_path, monkeypatch):
    workspace = tmp_path / "ws"
    (workspace / "logs").mkdir(parents=True)
    (workspace / "logs" / "kcf_1.log").write_text("loading\nImportError: No module named x\n")
    monkeypatch.setattr(vot, "toolkit_environment", lambda: tmp_path)
    monkeypatch.setattr(vot, "_run_toolkit", lambda *arguments: None)
    with pytest.raises(ToolkitError, match="kcf gave no result for baseline on one: ImportError"):
        evaluate_vot(read_pack(pack)[:1], "local", workspace, ["kcf"])


@pytest.mark.slow
def test_our_measures_equal_the_toolkits_from_the_same_trajectories(data, tmp_path):
    wanted = {"VOT2015/ball1", "VOT2018/pedestrian1"}
    sequences = [s for s in read_pack(data / "video" / "dev") if s.name in wanted]
    document = evaluate_vot(sequences, "local", tmp_path / "ws", ["static", "depth:1"])
    compared = 0
    for experiments in document["contenders"].values():
        for row in experiments.values():
            if "built_in" not in row:
                continue
            for key in ("accuracy", "robustness", "eao"):
                assert row["built_in"][key] == pytest.approx(row[key], abs=1e-6)
                compared += row[key] is not None
    assert compared >= 15
    again = evaluate_vot(sequences, "local", tmp_path / "ws", ["static", "depth:1"])
    assert json.dumps(again) == json.dumps(document), "finished runs are kept"
