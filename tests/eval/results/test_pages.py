"""Sections of pages, filled from documents that are written here."""

import json

import pytest

from eval.results.pages import filled
from eval.results.summary import figures, summary_line, summary_table

HOST = {"cpu": "A CPU", "flags": ["avx2"]}
BENCH = {
    "sequences": ["a", "b"],
    "frames_per_sequence": 9,
    "threads": 1,
    "host": HOST,
    "ms": {
        "csrt": {"mean": 30.04, "p95": 41.0, "auc": 0.5},
        "kcf": {"mean": 3.0, "p95": 4.0, "auc": 0.3},
        "default": {"mean": 5.46, "p95": 9.99, "auc": 0.6657},
    },
}
EVALUATION = {
    "folder": "dev",
    "sequences": {"a": {"in_mean": True}, "again": {"in_mean": False}, "b": {"in_mean": True}},
    "contenders": {"full": {"auc": 1.0}, "default": {"auc": 0.0004}},
}


def test_a_section_is_written_anew_and_the_rest_of_the_page_stays(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"table": [["x"], ["1"]]}))
    page = "before\n<!-- table: a.json -->\nold\n<!-- end -->\nafter"
    assert (
        filled(page, tmp_path) == "before\n<!-- table: a.json -->\n| x |\n|---|\n| 1 |\n<!-- end -->\nafter"
    )


def test_a_section_may_show_a_part(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(BENCH))
    line = filled("<!-- table: a.json as line -->\n<!-- end -->", tmp_path).splitlines()[1]
    assert line == (
        "- Milliseconds a frame on one core, and AUC, on 2 clips of 9 frames: "
        "**depthgate** 5.5 ms, .666; OpenCV CSRT 30.0 ms, .500."
    )


def test_the_summary_is_fastest_first_and_knows_its_contenders_only():
    assert summary_table(BENCH).splitlines()[2:] == [
        "| depthgate, calibrated budget | 5.5 | 10.0 | .666 |",
        "| OpenCV CSRT | 30.0 | 41.0 | .500 |",
    ]
    assert list(figures(BENCH)) == ["default", "csrt"]


def test_a_line_of_an_evaluation_counts_the_videos_in_the_mean():
    assert summary_line(EVALUATION) == (
        "- Success AUC over 2 videos, one pass: **depthgate** .000; every stage of it 1.000."
    )


@pytest.mark.parametrize(
    "section, error",
    [
        pytest.param("<!-- table: none.json -->\n<!-- end -->", FileNotFoundError, id="no such file"),
        pytest.param("<!-- table: a.json as poem -->\n<!-- end -->", KeyError, id="no such view"),
    ],
)
def test_a_section_that_cannot_be_filled_is_an_error(section, error, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(error):
        filled(section, tmp_path)
