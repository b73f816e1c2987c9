import pytest

import app
from tests.conftest import ROOT


@pytest.mark.slow
def test_the_smoke_recipe_runs_every_phase(data, tmp_path, monkeypatch):
    """About a minute on two cores, once the frames are decoded (the first run does that)."""
    monkeypatch.chdir(ROOT)
    assert app.main(["train", "training/recipes/smoke.yaml", "--run", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert all(f'"phase": "{phase}"' in log for phase in ("features", "exits", "gates"))
