import json
from contextlib import closing

import numpy as np
import pytest

from tests.fakes import file_size_limit
from tracker.outputs import CSV_HEADER, STDOUT, OutputError, RowWriter, check_results, write_whole
from tracker.state import LOST, TRACKED
from tracker.tracker import Prediction

GIVEN = Prediction((10.0, 20.0, 30.5, 40.0), 1.0, True, 0, 0.0, TRACKED)
SEEN = Prediction((11.25, 20.0, 30.0, 40.0), 0.875, True, 2, 0.0042, TRACKED)
GONE = Prediction((11.25, 20.0, 30.0, 40.0), 0.125, False, 4, 0.01, LOST)


def written(tmp_path, kind: str) -> list[str]:
    with closing(RowWriter(tmp_path / "rows", kind)) as writer:
        for i, prediction in enumerate((GIVEN, SEEN, GONE)):
            writer.write(i, i / 25, prediction)
    return (tmp_path / "rows").read_text().splitlines()


def test_csv(tmp_path):
    assert written(tmp_path, "csv") == [
        CSV_HEADER,
        "0,10.000,20.000,30.500,40.000,1.0000,1,,,0.0000,1",
        "1,11.250,20.000,30.000,40.000,0.8750,1,2,4.200,0.0400,0",
        "2,,,,,0.1250,0,4,10.000,0.0800,0",
    ]


def test_json_lines(tmp_path):
    rows = [json.loads(line) for line in written(tmp_path, "json")]
    assert rows[0]["depth"] is None and rows[0]["ms"] is None
    assert rows[1] == {
        "frame": 1,
        "time_s": 0.04,
        "box": [11.25, 20.0, 30.0, 40.0],
        "score": 0.875,
        "present": True,
        "state": "TRACKED",
        "depth": 2,
        "ms": 4.2,
        "given": False,
    }
    assert rows[0]["given"]
    assert rows[2]["box"] is None and rows[2]["state"] == "LOST"


def test_mot_counts_from_one_and_has_no_row_for_a_lost_target(tmp_path):
    rows = written(tmp_path, "mot")
    assert len(rows) == 2 and rows[1] == "2,1,11.250,20.000,30.000,40.000,0.8750,-1,-1,-1"


@pytest.mark.parametrize("kind", ["vot", "got10k"])
def test_rows_of_the_benchmarks_are_read_back_as_boxes(tmp_path, kind):
    written(tmp_path, kind)
    boxes = np.loadtxt(tmp_path / "rows", delimiter=",")
    assert boxes.tolist() == [list(GIVEN.box), list(SEEN.box), list(GONE.box)]


def test_a_row_stands_in_the_file_at_once(tmp_path):
    writer = RowWriter(tmp_path / "rows", "csv")
    writer.write(0, 0.0, GIVEN)
    assert (tmp_path / "rows").read_text().endswith("1,,,0.0000,1\n")
    writer.close()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match="does the folder exist"):
        RowWriter(tmp_path / "none" / "rows", "csv")


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_full_disk_leaves_whole_rows(tmp_path, kind):
    """A limit on the size of files stands for the disk; every size cuts another byte of the rows."""
    whole = written(tmp_path, kind)
    for limit in range(len(whole[0]) + 2, (tmp_path / "rows").stat().st_size):
        with file_size_limit(limit), pytest.raises(OutputError, match=r"cannot be written \("):
            written(tmp_path, kind)
        text = (tmp_path / "rows").read_text()
        assert text.endswith("\n") and text.splitlines() == whole[: len(text.splitlines())]


@pytest.fixture
def pictures(tmp_path):
    """A folder pics/ with one picture that lies elsewhere and is only linked there."""
    (tmp_path / "pics" / "deeper").mkdir(parents=True)
    (tmp_path / "elsewhere.jpg").write_bytes(b"a picture")
    (tmp_path / "pics" / "0.jpg").hardlink_to(tmp_path / "elsewhere.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "pics" / "0.jpg")
    (tmp_path / "alias").symlink_to(tmp_path / "pics")
    (tmp_path / "new").symlink_to(tmp_path / "pics" / "new.csv")
    return tmp_path


@pytest.mark.parametrize(
    "result",
    [
        pytest.param("pics/0.jpg", id="a picture"),
        pytest.param("link.jpg", id="symbolic link to it"),
        pytest.param("elsewhere.jpg", id="hard link to it"),
        pytest.param("pics/new.csv", id="among the pictures"),
        pytest.param("pics/deeper/new.csv", id="below them"),
        pytest.param("pics/../pics/new.csv", id="roundabout"),
        pytest.param("alias/new.csv", id="by another name of the folder"),
        pytest.param("new", id="link to nothing yet, among them"),
    ],
)
def test_a_result_never_replaces_what_it_is_made_from(pictures, result):
    with pytest.raises(OutputError, match="the source itself|which the run reads"):
        check_results([pictures / result], [pictures / "pics" / "0.jpg"], [pictures / "pics"])


def test_two_names_of_one_file_are_one_result(pictures):
    (pictures / "a.csv").write_text("")
    (pictures / "b.csv").symlink_to(pictures / "a.csv")
    with pytest.raises(OutputError, match="two results"):
        check_results([pictures / "a.csv", pictures / "b.csv"], [], [])
    check_results([pictures / "a.csv", pictures / "c.csv"], [], [pictures / "pics"])


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.png"
    write_whole(path, b"before")
    with file_size_limit(50), pytest.raises(OutputError, match=r"cannot be written \("):
        write_whole(path, bytes(100))
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]
    write_whole(path, bytes(100))
    assert path.read_bytes() == bytes(100)


def test_rows_may_go_to_the_standard_output(capfd):
    with closing(RowWriter(STDOUT, "csv")) as writer:
        writer.write(1, 0.04, SEEN)
    assert capfd.readouterr().out.splitlines() == [
        CSV_HEADER,
        "1,11.250,20.000,30.000,40.000,0.8750,1,2,4.200,0.0400,0",
    ]
