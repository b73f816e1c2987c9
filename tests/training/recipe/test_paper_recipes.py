"""The papers' own recipes, as `train --explain` reads them without any data."""

from collections import Counter

import cv2
import pytest

import app
from tests.conftest import ROOT
from training.explain import explain
from training.recipe.load import load
from training.schedule.plan import pieces

FOLDER, IMAGENET = ROOT / "training" / "recipes", 1_281_167


def explained(name, *overrides, processes=1):
    (one,) = explain(load(FOLDER / f"{name}.yaml", list(overrides)), processes)
    return one


@pytest.mark.parametrize(
    "batch, exponent, warmup_epochs",
    [
        pytest.param(1_024, 2.5, 0.3125, id="k = 2"),
        pytest.param(4_096, 3.5, 1.25, id="k = 8"),
        pytest.param(8_192, 4, 2.5, id="k = 16"),
        pytest.param(16_384, 4.5, 5, id="k = 32"),
        pytest.param(32_768, 5, 10, id="k = 64, where its authors took 14 epochs"),
    ],
)
def test_legw_has_the_published_rates_and_warm_ups(batch, exponent, warmup_epochs):
    one = explained("imagenet_legw", f"phases.classify.batch={batch}")
    assert max(u.step.lr for u in one.updates) == pytest.approx(2**exponent, rel=2e-3)
    assert one.warmup_samples / IMAGENET == pytest.approx(warmup_epochs, abs=1e-4)
    assert len(one.updates) == -(-90 * IMAGENET // batch)


@pytest.mark.parametrize(
    "overrides, updates",
    [
        pytest.param([], 5_865, id="growth"),
        pytest.param(["phases.classify.growth=false", "phases.classify.max_batch=null"], 14_075, id="decay"),
    ],
)
def test_the_growing_batch_has_the_published_updates(overrides, updates):
    one = explained("imagenet_growing_batch", *overrides)
    assert round(sum(u.count / u.step.batch for u in one.updates)) == updates  # the last one is short
    assert max(u.step.lr for u in one.updates) == pytest.approx(3.0)
    assert {u.step.batch for u in one.updates} <= {8_192, 65_536}


@pytest.mark.parametrize("processes, normalised", [(1_024, 256), (4_096, 64)])
def test_the_pod_has_its_rate_updates_and_norm_batch(processes, normalised):
    one = explained("pod_32k", processes=processes)
    rates = [u.step.lr for u in one.updates]
    assert len(rates) == 3_519  # 90 · 1,281,167 / 32,768
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(31.2, rel=2e-3) and rates[-1] == pytest.approx(1e-4, rel=0.05)
    assert one.updates[peak].start / IMAGENET == pytest.approx(25, abs=0.03)
    group = load(FOLDER / "pod_32k.yaml").distributed.norm_group
    held = Counter(pieces(one.updates[0], None, processes, rank)[0][1] for rank in range(processes))
    assert held == {32_768 // processes: processes} and group * (32_768 // processes) == normalised


@pytest.mark.parametrize("name", ["imagenet_legw", "imagenet_growing_batch", "pod_32k"])
def test_explain_needs_no_data(name, capsys, tmp_path):
    picture = tmp_path / "plan.png"
    assert app.main(["train", "--explain", str(FOLDER / f"{name}.yaml"), "--out", str(picture)]) == 0
    assert "90.00 epochs of 1,281,167" in capsys.readouterr().out
    assert cv2.imread(str(picture)).std() > 10


def test_training_without_the_pictures_is_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = ["train", str(FOLDER / "imagenet_legw.yaml"), "--run", str(tmp_path / "run")]
    assert app.main(run) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "set data.images to a folder of train/CLASS/*.jpg" in said
    assert not (tmp_path / "run").exists()
