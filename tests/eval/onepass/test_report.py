"""The page of a folder: order, pictures, looks, and what is missing."""

import json
from dataclasses import replace

import numpy as np
import pytest

import eval.onepass.report as report
from eval.contenders.peers import OPENCV
from eval.data.sequences import read_pack
from eval.onepass.folder import Row, evaluate_folder
from eval.onepass.metrics import Accuracy
from eval.onepass.report import write_report
from tracker import SourceError


def test_a_report_is_one_page_with_the_worst_sequence_first(pack, tmp_path):
    entries = json.loads((pack / "index.json").read_text())
    entries[1]["same_frames_as"] = None
    (pack / "index.json").write_text(json.dumps(entries))
    rows = (pack / "two.csv").read_text().splitlines()
    (pack / "two.csv").write_text("\n".join([*rows[:2], *(["120,80,30,24"] * 10)]) + "\n")
    evaluate_folder(pack, tmp_path / "out", contenders=["static", "kcf"])
    page = write_report(tmp_path / "out", pack, "static", "kcf").read_text()
    assert page.index("Painted/two: AUC") < page.index("Painted/one: AUC")
    assert page.count("data:image/jpeg;base64,") == 2 and page.count("data:image/png;base64,") == 2
    assert "http" not in page.replace("https://", "http").split("<style>")[0]


def test_a_report_of_what_was_not_run_is_named(pack, tmp_path):
    with pytest.raises(SourceError, match="run eval folder first"):
        write_report(tmp_path / "out", pack)
    evaluate_folder(pack, tmp_path / "out", contenders=["static"])
    with pytest.raises(SourceError, match="no contender 'default'"):
        write_report(tmp_path / "out", pack)


def test_every_line_of_the_success_plot_has_a_look_of_its_own(pack, tmp_path, monkeypatch):
    names = ["default", "full", *(f"depth:{k}" for k in (1, 2, 3)), "0.05GMAC", "0.1GMAC", "0.15GMAC"]
    names += ["kcf", "kcf-no-threshold", "csrt", "mosse", "static", "0.06GMAC"]
    rows = [Row(Accuracy(0.5, 0.5, 0.5, 0.5, 3), [], None, None, "", 1, [[30, 40, 30, 24]] * 11, [])]
    monkeypatch.setattr(report, "read_rows", lambda *given: rows)
    drawn = []
    monkeypatch.setattr(report, "_png", drawn.append)
    summaries = {n: {"auc": 0.5, **({} if n in OPENCV else {"share": []})} for n in names}
    report._success_figure(tmp_path, {"contenders": summaries}, read_pack(pack))
    lines = drawn[0].axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == len(lines) == 14


def test_a_box_is_amber_where_the_tracker_says_lost(pack):
    sequence = read_pack(pack)[0]
    frame = np.zeros((120, 160, 3), np.uint8)
    row = Row(Accuracy(0.5, 0.5, 0.5, 0.5, 3), [], None, None, "", 1, [[30.0, 80, 20, 20]] * 11, [3])
    for i, colour, not_this in ((3, report.OURS, report.LOST), (4, report.LOST, report.OURS)):
        picture = report._drawn(frame, i, sequence, row, replace(row, boxes=[[120.0, 10, 20, 20]] * 11))
        assert (picture == colour).all(2).any() and not (picture == not_this).all(2).any()
