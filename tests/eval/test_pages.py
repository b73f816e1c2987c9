"""Sweep, report and latency: what a person looks at."""

import json

import cv2
import numpy as np
import pytest

from eval.folder import evaluate_folder
from eval.latency import latency, matrix_limit_gmacs
from eval.report import write_report
from eval.sweep import BASELINES, budgets_between, sweep
from eval.tables import label_points, rows_table
from tracker import SourceError, Tracker
from tracker.zoo import find


def test_budgets_of_a_sweep_lie_between_depth_one_and_full(manifest):
    budgets = [float(b.removesuffix("GMAC")) for b in budgets_between(manifest)]
    assert budgets == sorted(budgets) and len(set(budgets)) == 5
    assert 0.010 < budgets[0] < budgets[-1] < 0.080


def test_a_sweep_has_a_point_for_every_budget_depth_and_baseline(pack, tmp_path):
    document = sweep(pack, tmp_path / "out")
    points = document["points"]
    assert {"default", "full", "depth:1", "depth:2", "depth:3", "random depth", *BASELINES} <= set(points)
    manifest = Tracker.load().manifest
    assert points["depth:1"]["mmac"] == pytest.approx(manifest.stage_macs[0] / 1e6, abs=0.1)
    full = sum(manifest.backbone_macs) + manifest.stage_macs[-1]
    assert points["full"]["mmac"] == pytest.approx(full / 1e6, abs=0.1)
    assert points["random depth"]["mmac"] < points["full"]["mmac"]
    assert points["kcf-no-threshold"]["mmac"] is None
    assert all(p["ms"] > 0 for p in points.values())
    picture = cv2.imread(str(tmp_path / "out" / "sweep.png"))
    assert picture.shape[1] > 1000 and np.ptp(picture) > 200


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


def test_latency_tells_every_part_and_never_guesses_energy(monkeypatch, tmp_path):
    import eval.latency as room

    monkeypatch.setattr(room, "ROUNDS", 5)
    monkeypatch.setattr(room, "WARM_UP", 1)
    monkeypatch.setattr(room, "ENERGY", tmp_path / "none")
    document = latency(str(find("default")), [1])
    run = document["runs"][0]
    stages = {f"stage_{k}" for k in (1, 2, 3, 4)} | {f"backbone_{k}" for k in (1, 2, 3)}
    assert set(run["parts"]) == stages | {"crop_128", "crop_256", "decode", "update"}
    way_of_a_full_frame = [
        "crop_128",
        "backbone_1",
        "backbone_2",
        "crop_256",
        "backbone_3",
        "stage_4",
        "decode",
    ]
    medians = {name: row["p50"] for name, row in run["parts"].items()}
    assert run["rest"] == pytest.approx(
        medians["update"] - sum(medians[name] for name in way_of_a_full_frame), abs=1e-3
    )
    assert "millijoules_per_update" not in run
    assert document["limit_gmacs"] > 1 and matrix_limit_gmacs() > 1


def test_energy_is_read_where_the_machine_tells(monkeypatch, tmp_path):
    import eval.latency as room

    counter = tmp_path / "energy_uj"
    counter.write_text("1000000")
    monkeypatch.setattr(room, "ENERGY", counter)
    with room._joules() as spent:
        counter.write_text("3500000")
    assert spent == [2.5]


def test_names_of_crowded_points_do_not_cover_each_other():
    from matplotlib.figure import Figure

    axes = Figure((6, 4)).subplots()
    points = {f"name {k}": (1 + k * 0.001, 0.5 + k * 0.001) for k in range(6)}
    axes.plot(*zip(*points.values(), strict=True), "o")
    axes.set(xlim=(0, 2), ylim=(0, 1))
    label_points(axes, points)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [t.get_text() for t in axes.texts] == sorted(points, reverse=True)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_documents_own_rows_become_a_table():
    assert rows_table([["a", "b"], ["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"
