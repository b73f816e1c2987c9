"""Sweep, report and latency: what a person looks at."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import eval.report as report
from eval.bench import bench, write_costs
from eval.figures import bench_figure, label_points, write_scatter
from eval.folder import Row, evaluate_folder
from eval.forms import compare_forms
from eval.latency import latency
from eval.metrics import Accuracy
from eval.peers import OPENCV
from eval.report import write_report
from eval.sequences import read_pack
from eval.sweep import BASELINES, budgets_between, sweep
from eval.tables import latency_table, rows_table, sweep_table
from tests.fakes import answer
from tracker import Prediction, SourceError, Tracker
from tracker.manifest import load_manifest
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
    spent = json.loads((tmp_path / "out" / "evaluation.json").read_text())["contenders"]
    assert all(p["mmac"] == spent[name].get("mmac") for name, p in points.items()), "as run, not as asked for"
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
    updates = {"update depth:1", "update depth:2", "update depth:3", "update full"}
    assert set(run["parts"]) == stages | updates | {"crop_128", "crop_256", "decode"}
    manifest = Tracker.load().manifest
    spent = {name: row.get("mmac") for name, row in run["parts"].items()}
    assert spent["stage_2"] == pytest.approx(manifest.stage_macs[1] / 1e6, abs=0.1)
    assert spent["update depth:1"] == spent["stage_1"] and spent["crop_128"] is None
    assert spent["update full"] == pytest.approx(
        (sum(manifest.backbone_macs) + manifest.stage_macs[3]) / 1e6, abs=0.1
    )
    assert f"| {spent['update full']:.1f} |" in latency_table(document)
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
        medians["update full"] - sum(medians[name] for name in way_of_a_full_frame), abs=1e-3
    )
    assert "millijoules_per_update" not in run
    assert run["limit_gmacs"] > 1


def test_the_limit_takes_turns_with_the_stages(monkeypatch):
    """On a machine that is half as fast in every other round, the shares of the limit stay as they are."""
    import eval.latency as room

    now, order = [0.0], []

    class Clock:
        @staticmethod
        def perf_counter() -> float:
            return now[0]

    def spend(name, cost):
        def call(*inputs):
            order.append(name)
            now[0] += cost * (1 + len([n for n in order if n == name]) % 2)
            return np.zeros((1, 1, 1, 1)) if name == "pass" else answer()

        return call

    monkeypatch.setattr(room, "time", Clock)
    monkeypatch.setattr(room, "ROUNDS", 4)
    monkeypatch.setattr(room.OrtEngine, "stage", lambda self, k, *rest: spend(f"stage {k}", 0.001)(k))
    monkeypatch.setattr(room.OrtEngine, "pass_on", lambda self, k, *rest: spend(f"bare {k}", 0.001)(k))
    monkeypatch.setattr(room.np, "matmul", spend("product", 0.004))
    monkeypatch.setattr(room, "Decoder", lambda *given: lambda *inputs: None)
    monkeypatch.setattr(
        room.Tracker, "update", lambda self, frame: Prediction((0, 0, 1, 1), 1, True, 1, 0, "", 9)
    )
    run = latency(str(find("default")), [1])["runs"][0]
    assert order.count("product") == order.count("stage 1") == 4 + room.WARM_UP
    assert run["limit_gmacs"] == pytest.approx(room.MATRIX**3 / 0.004 / 1e9, abs=0.1)
    macs = load_manifest(find("default")).stage_macs
    assert run["of_limit"] == pytest.approx([m / 0.001 / (room.MATRIX**3 / 0.004) for m in macs], abs=2e-3)


def test_energy_is_read_where_the_machine_tells(monkeypatch, tmp_path):
    import eval.latency as room

    counter = tmp_path / "energy_uj"
    counter.write_text("1000000")
    monkeypatch.setattr(room, "ENERGY", counter)
    with room._joules() as spent:
        counter.write_text("3500000")
    assert spent == [2.5]


def test_names_of_crowded_points_do_not_cover_each_other():
    axes = Figure((6, 4)).subplots()
    points = {f"name {k}": (1 + k * 0.001, 0.5 + k * 0.001) for k in range(6)}
    axes.plot(*zip(*points.values(), strict=True), "o")
    axes.set(xlim=(0, 2), ylim=(0, 1))
    label_points(axes, points)
    axes.figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axes.texts]
    assert [t.get_text() for t in axes.texts] == sorted(points, reverse=True)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_names_stay_inside_the_axes_and_off_lines():
    axes = Figure((6, 4)).subplots()
    points = {"at the left edge": (0, 0.5), "at the right edge": (2, 0.5), "on the line": (1, 0.5)}
    axes.plot([0, 1, 2], [0.5, 0.5, 0.5], "-")
    axes.set(xlim=(0, 2), ylim=(0, 1))
    label_points(axes, points)
    around = axes.get_window_extent()
    for text in axes.texts:
        box = text.get_window_extent()
        assert around.x0 <= box.x0 and box.x1 <= around.x1
        middle = axes.transData.transform((1, 0.5))[1]
        assert not box.y0 <= middle <= box.y1


def test_milliseconds_are_written_as_they_are_said(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **how: figures.append(self))
    rows = {name: {"mean": ms, "auc": 0.5} for name, ms in (("a", 0.9), ("b", 2.2), ("c", 24.0))}
    bench_figure({"ms": rows}, tmp_path / "x.png")
    figures[0].draw_without_rendering()
    axis = figures[0].axes[0].xaxis
    said = {label.get_text() for label in axis.get_ticklabels()}
    assert {"1", "2", "5", "10", "20"} <= said
    assert not any(label.get_text() for label in axis.get_ticklabels(minor=True))


def test_a_sweep_whose_times_are_of_another_run_still_has_a_table_and_a_figure(tmp_path):
    point = {"kind": "budget", "auc": 0.6, "ms": None, "mmac": 50.0, "mean_depth": 1.5}
    points = {"default": point, "full": {**point, "kind": "depth", "ms": 2.0}}
    document = {"folder": "dev", "points": points}
    assert sweep_table(document).splitlines()[-1] == "| default | 0.600 | – | 50 | 1.50 |"
    write_scatter(document, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5000


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


@pytest.mark.parametrize(
    "measure, reason",
    [
        pytest.param(
            lambda p: write_costs("default", p / "file" / "x.json"), "cannot be a folder", id="costs"
        ),
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


def test_the_table_of_costs_makes_its_folder(tmp_path, monkeypatch):
    import eval.bench as room

    monkeypatch.setattr(room, "stage_seconds", lambda *given: ([0.1] * 4, [0.1] * 3))
    write_costs("default", tmp_path / "new" / "costs.json")
    assert json.loads((tmp_path / "new" / "costs.json").read_text())["depthgate-s"]["seconds"] == [0.1] * 4


def test_a_documents_own_rows_become_a_table():
    assert rows_table([["a", "b"], ["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"
