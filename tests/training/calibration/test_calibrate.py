"""The whole of a calibration, on passes that are made up instead of tracked."""

import json
import shutil

import numpy as np
import pytest

from tracker.manifest import NEVER, load_manifest
from tracker.zoo import find
from training import calibrate as calibration
from training.calibration.decoding import PRIORS
from training.calibration.passes import HeldOut, Pass
from training.calibration.thresholds import fixed_depth

FRAMES = 100


@pytest.fixture
def artefact(tmp_path):
    return shutil.copytree(find("default"), tmp_path / "copy.test")


@pytest.fixture
def calibrated(artefact, tmp_path, monkeypatch):
    """Exit k tracks with AUC .5 + .1 k; its good frames score k / 100 + .99 … .00; gates know nothing."""

    def passes(self, manifest, text):
        gated = manifest.depths - 1
        depth = 1 + next((k for k, tau in enumerate(manifest.default_tau) if tau < NEVER), gated)
        rng = np.random.default_rng(0)
        return [
            Pass(
                scores=np.arange(FRAMES)[::-1] / 100 + depth / 100,
                present=np.arange(FRAMES) >= 1,
                overlaps=np.full(FRAMES, 0.9),
                source=(name, "video"),
                auc=0.5 + 0.1 * depth,
                depths=np.full(FRAMES, depth),
                gates=rng.random((FRAMES, gated)),
            )
            for name in "ab"
        ]

    monkeypatch.setattr(HeldOut, "passes", passes)
    monkeypatch.setattr(calibration, "read_held_out", lambda folders: [])
    calibration.calibrate(artefact, [tmp_path / "val", tmp_path / "composed"], starts=1)
    return artefact


def test_limits_of_presence_are_those_of_every_exit(calibrated):
    """2, 5 and 25 of 100 frames lie below."""
    manifest = load_manifest(calibrated)
    depths = np.arange(1, manifest.depths + 1)
    assert manifest.state.lost == pytest.approx((2 + depths) / 100)
    assert manifest.state.unsure == pytest.approx((5 + depths) / 100)
    assert manifest.state.found == pytest.approx((25 + depths) / 100)


def test_decoding_that_nothing_speaks_against_is_the_prior(calibrated):
    assert load_manifest(calibrated).decode == PRIORS


def test_the_default_is_full_depth_where_no_cheaper_row_is_within_half_a_point(calibrated):
    manifest = load_manifest(calibrated)
    assert manifest.default_tau == fixed_depth(manifest.depths, manifest.depths)
    accuracies = [row.accuracy for row in manifest.table]
    assert accuracies == sorted(accuracies) and accuracies[-1] == 0.5 + 0.1 * manifest.depths


def test_what_was_measured_stands_in_the_manifest(calibrated):
    said = json.loads((calibrated / "manifest.json").read_text())["thresholds"]
    assert said["data"] == "val, composed" and said["starts"] == 1
    assert [row["good_called_lost"] for row in said["presence"]] == [0.01] * len(said["presence"])
    assert "split `val, composed`" in (calibrated / "card.md").read_text()
