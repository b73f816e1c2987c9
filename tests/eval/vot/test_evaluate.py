"""The official toolkit on a small pack: our measures of its trajectories are its own."""

import json

import pytest

import eval.vot.evaluate as vot
from eval.data.sequences import read_pack
from eval.results.tables import vot_table
from eval.vot.evaluate import BUILT_IN, evaluate_built_in, evaluate_vot
from eval.vot.layout import write_vot
from eval.vot.protocols import FAILURE, INITIALIZATION, SEEN, UNKNOWN
from eval.vot.toolkit import (
    ToolkitError,
    check_results,
    last_words,
    read_trajectory,
    set_damaged_aside,
)
from eval.vot.workspace import Experiment, identifier, local_stack
from tests.eval.conftest import Follower
from tracker import ModelError, SourceError


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
    monkeypatch.setattr(vot, "run_toolkit", lambda *arguments: None)
    with pytest.raises(ToolkitError, match="kcf gave no result for baseline on one: ImportError"):
        evaluate_vot(read_pack(pack)[:1], "local", workspace, ["kcf"])


@pytest.mark.parametrize(
    "contenders, model, error",
    [
        pytest.param(["depth:9"], "default", SourceError, id="no such depth"),
        pytest.param(["random depth"], "default", SourceError, id="a control that has no shares here"),
        pytest.param(["kcf"], "none", ModelError, id="no such model"),
    ],
)
def test_names_are_checked_before_the_toolkit_starts(pack, tmp_path, monkeypatch, contenders, model, error):
    monkeypatch.setattr(vot, "toolkit_environment", lambda: pytest.fail("too early"))
    with pytest.raises(error, match="got"):
        evaluate_vot(read_pack(pack)[:1], "local", tmp_path / "ws", contenders, model)


@pytest.fixture
def ran(pack, tmp_path, monkeypatch):
    """A workspace whose toolkit writes a trajectory where none is; returns how many it wrote at each call."""
    written: list[int] = []

    def toolkit(tools, workspace, arguments, experiments, idents, annotated):
        written.append(0)
        for ident in idents:
            for sequence in annotated:
                folder = workspace / "results" / ident / "baseline" / sequence.name
                folder.mkdir(parents=True, exist_ok=True)
                place = folder / f"{sequence.name}_001.txt"
                if not place.is_file():
                    place.write_text("0\n1\n" + "1,2,3,4\n" * (len(sequence.truth) - 2))
                    written[-1] += 1

    monkeypatch.setattr(vot, "toolkit_environment", lambda: tmp_path)
    monkeypatch.setattr(vot, "read_stack", lambda *given: {"baseline": Experiment("supervised", 2, 4)})
    monkeypatch.setattr(vot, "run_toolkit", toolkit)
    monkeypatch.setattr(vot, "analyse", lambda *given: {})
    monkeypatch.setattr(vot, "official_numbers", lambda *given: {})
    return written


def test_only_what_a_change_touches_is_run_anew(pack, tmp_path, monkeypatch, ran):
    def evaluate(stack: str = "local") -> None:
        evaluate_vot(read_pack(pack), stack, tmp_path / "ws", ["kcf"])

    evaluate()
    evaluate()
    monkeypatch.setattr(vot, "origin", lambda contender: "another model")
    evaluate()
    table = pack / "one.csv"
    table.write_text(table.read_text().replace("32,40", "33,40"))
    evaluate()
    evaluate("vot2018")
    assert ran == [2, 0, 2, 1, 2]


def test_a_damaged_trajectory_is_named_and_made_anew(pack, tmp_path, ran, capsys):
    place = tmp_path / "ws/results/kcf/baseline/one/one_001.txt"
    for damaged in ("1\n1,2,3,4\n", "0\n1\n" + "1,2,3,4\n" * 9 + "1,2"):
        evaluate_vot(read_pack(pack), "local", tmp_path / "ws", ["kcf"])
        place.write_text(damaged)
    document = evaluate_vot(read_pack(pack), "local", tmp_path / "ws", ["kcf"])
    assert ran == [2, 1, 1]
    assert "one_001.txt is damaged (2 whole rows for 12 frames)" in capsys.readouterr().err
    assert {"cpu", "cores"} <= set(document["host"]) and document["model"] == "depthgate-s.pack"


def test_runs_from_anchors_have_lengths_of_their_own(pack, tmp_path, capsys):
    sequence = write_vot(read_pack(pack)[:1], tmp_path / "sequences")[0]
    folder = tmp_path / "results/kcf/anchors/one"
    folder.mkdir(parents=True)
    (folder / "one_00000011.txt").write_text("1\n" + "1,2,3,4\n" * 11)
    set_damaged_aside(tmp_path, "kcf", "anchors", sequence, "multistart")
    assert not capsys.readouterr().err
    (folder / "one_00000011.txt").write_text("1\n" + "1,2,3,4\n" * 10)
    set_damaged_aside(tmp_path, "kcf", "anchors", sequence, "multistart")
    assert "11 whole rows for 12 frames" in capsys.readouterr().err
    with pytest.raises(ToolkitError, match="kcf gave no result for anchors on one"):
        check_results(tmp_path, {"anchors": Experiment("multistart", 2, 4)}, ["kcf"], [sequence])


def test_last_words_have_no_colours(tmp_path):
    (tmp_path / "vot.log").write_text("fine\n\x1b[31mResults incomplete.\n\x1b[0m\n")
    assert last_words(tmp_path).startswith("Results incomplete. (see")


def test_the_built_in_protocols_by_hand(pack, tmp_path, monkeypatch):
    """Eight pixels aside of thirty: the overlap is 22/38 wherever there is a truth, and nothing fails."""
    monkeypatch.setattr(vot, "make_contender", lambda name, tracker: Follower(8))
    document = evaluate_built_in(read_pack(pack), "local", tmp_path / "out", ["near"])
    rows = document["contenders"]["near"]
    assert set(rows) == {"baseline", "anchors"}
    assert rows["baseline"]["robustness"] == pytest.approx(1), "the frame without a target counts as lost"
    assert rows["anchors"]["interval"] == rows["baseline"]["interval"] == [2, 7]
    assert json.loads((tmp_path / "out" / "vot_built_in.json").read_text()) == document
    assert vot_table(document).count("| near |") == 2


@pytest.mark.parametrize("stack", sorted(BUILT_IN))
def test_an_interval_that_clips_are_too_short_for_has_no_eao(pack, tmp_path, monkeypatch, stack):
    monkeypatch.setattr(vot, "make_contender", lambda name, tracker: Follower())
    row = evaluate_built_in(read_pack(pack), stack, tmp_path, ["near"])["contenders"]["near"]["baseline"]
    assert row["eao"] is None and "fewer than the" in row["why"]
    with pytest.raises(SourceError, match="built in are vot2016"):
        evaluate_built_in(read_pack(pack), "vot2013", tmp_path, ["near"])


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
