import json

import numpy as np
import pytest

import app
from tests.conftest import ROOT
from training import starter


@pytest.mark.slow
def test_a_stranger_makes_data_and_trains(tmp_path, monkeypatch):
    """The two commands of training/starter.py in a folder that has nothing else; the loss falls."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert starter.main([]) == 0
    recipe = str(ROOT / "training/recipes/smoke.yaml")
    assert app.main(["train", recipe, "--run", "run"]) == 0
    lines = [json.loads(text) for text in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["phase"] == "exits"]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) and lines[-1]["phase"] == "gates"


@pytest.mark.slow
def test_the_taught_smoke_recipe_runs_every_phase(data, tmp_path, monkeypatch):
    """About a minute on two cores, once the frames are decoded (the first run does that)."""
    monkeypatch.chdir(ROOT)
    assert app.main(["train", "training/recipes/smoke_taught.yaml", "--run", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert all(f'"phase": "{phase}"' in log for phase in ("features", "exits", "gates"))
