"""Trainings side by side, each a line as soon as it ends."""

import json

import pytest
from joblib import delayed

from training.run.jobs import read_lines, train_all


def test_a_line_cut_short_is_left_out(tmp_path):
    (tmp_path / "own.jsonl").write_text(json.dumps({"row": 1}) + '\n{"row": 2, "rep')
    assert read_lines(tmp_path / "own.jsonl") == [{"row": 1}]
    assert read_lines(tmp_path / "none.jsonl") == []


def test_what_ended_before_a_failure_is_kept(tmp_path):
    out = tmp_path / "new" / "lines.jsonl"
    calls = [delayed(dict)(row=1), delayed(int)("no number"), delayed(dict)(row=3)]
    with pytest.raises(ValueError, match="no number"):
        train_all(calls, out, 1, "")
    assert read_lines(out) == [{"row": 1}]
    out.write_text(out.read_text() + '{"row": 2, "rep')
    train_all(calls[2:], out, 1, "")
    assert read_lines(out) == [{"row": 1}, {"row": 3}]


def test_nothing_to_train_touches_no_file(tmp_path):
    train_all([], tmp_path / "lines.jsonl", 1, "")
    assert not (tmp_path / "lines.jsonl").exists()
