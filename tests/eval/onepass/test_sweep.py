"""A sweep of budgets: which points it has and what they cost."""

import json

import cv2
import numpy as np
import pytest

from eval.onepass.sweep import BASELINES, budgets_between, sweep
from tracker import Tracker


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
