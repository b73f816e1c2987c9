import json
import os

import pytest

import eval.contenders.names as contenders_room
import eval.onepass.folder as folder_room
from eval.onepass.folder import evaluate_folder, read_rows
from eval.results.figures import write_figure
from eval.results.tables import evaluation_table
from tests.eval.conftest import Follower
from tracker import SourceError


@pytest.fixture
def followers(monkeypatch) -> dict[str, Follower]:
    """Two peers of known error in place of OpenCV's."""
    made = {"near": Follower(3), "far": Follower(10)}
    monkeypatch.setattr(contenders_room, "OPENCV", {name: lambda f=f: f for name, f in made.items()})
    return made


def test_means_leave_out_videos_that_are_shown_twice(pack, tmp_path, followers):
    document = evaluate_folder(pack, tmp_path / "out", contenders=["near", "far"])
    row = document["contenders"]["far"]
    assert row["ao"] == pytest.approx((1 + 9 * 0.5) / 10, abs=1e-4)
    assert set(row["by_sequence"]) == {"Painted/one", "Painted/two"}
    assert [s["in_mean"] for s in document["sequences"].values()] == [True, False]
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == document


def test_an_interrupted_evaluation_goes_on_where_it_stopped(pack, tmp_path, followers, monkeypatch):
    rows, calls = folder_room._rows, []

    def dies_once(job):
        calls.append(job.sequence.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return rows(job)

    monkeypatch.setattr(folder_room, "_rows", dies_once)
    with pytest.raises(KeyboardInterrupt):
        evaluate_folder(pack, tmp_path / "out", contenders=["near"])
    document = evaluate_folder(pack, tmp_path / "out", contenders=["near"])
    assert calls == ["Painted/one", "Painted/two", "Painted/two"]
    whole = evaluate_folder(pack, tmp_path / "other", contenders=["near"])
    assert document["contenders"]["near"]["auc"] == whole["contenders"]["near"]["auc"]


def test_a_damaged_run_is_made_anew(pack, tmp_path, followers):
    evaluate_folder(pack, tmp_path / "out", contenders=["near"])
    kept = tmp_path / "out" / "runs" / "near" / "Painted%2Fone.json"
    kept.write_text(kept.read_text()[:40])
    evaluate_folder(pack, tmp_path / "out", contenders=["near"])
    assert followers["near"].started == 3
    assert len(read_rows(tmp_path / "out", "near", "Painted/one")[0].boxes) == 11


def test_names_that_differ_only_after_a_dot_keep_their_own_results(pack, tmp_path, followers):
    index = pack / "index.json"
    entries = json.loads(index.read_text())
    for number, entry in enumerate(entries, start=1):
        entry["name"] = f"car.{number}"
    index.write_text(json.dumps(entries))
    evaluate_folder(pack, tmp_path / "out", contenders=["near"])
    kept = sorted(path.name for path in (tmp_path / "out" / "runs" / "near").iterdir())
    assert kept == ["Painted%2Fcar.1.json", "Painted%2Fcar.2.json"]


def test_two_sequences_of_one_name_are_refused(pack, tmp_path, followers):
    index = pack / "index.json"
    entries = json.loads(index.read_text())
    index.write_text(json.dumps([entries[0], entries[0]]))
    with pytest.raises(SourceError, match="two sequences are called Painted/one"):
        evaluate_folder(pack, tmp_path / "out", contenders=["near"])


def test_two_at_a_time_give_the_boxes_of_one_at_a_time_and_no_times(pack, tmp_path):
    serial = evaluate_folder(pack, tmp_path / "a", contenders=["depth:2", "kcf"])
    both = evaluate_folder(pack, tmp_path / "b", contenders=["depth:2", "kcf"], jobs=2)
    for name in ("depth:2", "kcf"):
        assert serial["contenders"][name].pop("ms") > 0
        assert serial["contenders"][name] == both["contenders"][name]
        for sequence in ("Painted/one", "Painted/two"):
            one, two = (read_rows(tmp_path / f, name, sequence)[0] for f in "ab")
            assert one.boxes == two.boxes and two.ms is None


def test_a_video_that_is_too_short_is_named(pack, tmp_path):
    csv = pack / "one.csv"
    csv.write_text(csv.read_text() + "1,2,3,4\n")
    with pytest.raises(SourceError, match="Painted/one: 12 frames for 13 boxes"):
        evaluate_folder(pack, tmp_path / "out", contenders=["static"])


def test_three_starts_are_three_passes(pack, tmp_path, followers):
    evaluate_folder(pack, tmp_path / "out", contenders=["near"], starts=3)
    assert followers["near"].started == 2 * 3


def test_ours_at_a_depth_and_the_control_of_its_shares(pack, tmp_path):
    document = evaluate_folder(pack, tmp_path / "out", contenders=["default", "depth:1", "random depth"])
    rows = document["contenders"]
    assert rows["depth:1"]["share"] == [1.0, 0.0, 0.0, 0.0]
    assert sum(rows["default"]["share"]) == pytest.approx(1, abs=1e-3)
    assert {"cpu", "cores", "flags", "commit"} <= set(document["host"])
    table = evaluation_table(document)
    assert table.count("**depthgate**") == 3
    write_figure(document, tmp_path / "out" / "figure.png")
    assert (tmp_path / "out" / "figure.png").stat().st_size > 5000


def test_times_are_of_one_run_and_kept_ones_of_another_are_left_out(pack, tmp_path, followers):
    document = evaluate_folder(pack, tmp_path / "out", contenders=["near"])
    first = document["contenders"]["near"]["ms"]
    again = evaluate_folder(pack, tmp_path / "out", contenders=["near"], jobs=2)
    assert again["contenders"]["near"]["ms"] == first, "the same run timed all that is there"
    both = evaluate_folder(pack, tmp_path / "out", contenders=["near", "far"])["contenders"]
    assert "ms" not in both["near"] and both["far"]["ms"] > 0


def test_a_repaired_annotation_and_a_new_video_are_run_anew(pack, tmp_path, followers):
    def far() -> float:
        return evaluate_folder(pack, tmp_path / "out", contenders=["far"])["contenders"]["far"]["ao"]

    right = far()
    table = pack / "one.csv"
    rows = table.read_text()
    table.write_text(rows.replace("50,40,30,24", "90,90,30,24"))
    assert far() < right
    table.write_text(rows)
    assert far() == pytest.approx(right)
    assert followers["far"].started == 4, "of two sequences one was touched, twice"
    os.utime(pack / "one.mp4", (1, 1))
    far()
    assert followers["far"].started == 5


def test_the_control_takes_the_defaults_mean_depth(pack, tmp_path):
    rows = evaluate_folder(pack, tmp_path / "out", contenders=["default", "random depth"])["contenders"]
    assert rows["random depth"]["mean_depth"] == pytest.approx(rows["default"]["mean_depth"], abs=3 / 10)


def test_a_model_is_named_with_its_digest(pack, tmp_path):
    document = evaluate_folder(pack, tmp_path / "out", contenders=["static"])
    assert document["model"] == "depthgate-s.pack" and len(document["model_digest"]) == 16


def test_an_out_that_is_a_file_is_named_before_anything_runs(pack, tmp_path, followers):
    (tmp_path / "out").write_text("")
    with pytest.raises(SourceError, match="cannot be a folder"):
        evaluate_folder(pack, tmp_path / "out", contenders=["near"])
    assert followers["near"].started == 0


@pytest.mark.parametrize(
    "contenders, reason",
    [
        pytest.param([""], "got ''", id="an empty name is not everybody"),
        pytest.param(["depth:9"], "depths 1 to 4", id="no such depth"),
        pytest.param(["goturn"], "known: default", id="no such tracker"),
        pytest.param(["random depth"], "needs 'default' beside it", id="a control without its model"),
    ],
)
def test_wrong_contenders_are_named(pack, tmp_path, contenders, reason):
    with pytest.raises(SourceError, match=reason):
        evaluate_folder(pack, tmp_path / "out", contenders=contenders)
