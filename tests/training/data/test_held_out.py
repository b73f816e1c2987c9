import json
from pathlib import Path

import numpy as np
import pytest

import training.data.held_out as room
from tests.training.data.test_store import entry, write_clip, write_pictures
from training.data.held_out import held_out_pairs


@pytest.fixture
def root(tmp_path) -> Path:
    """Levels of grey: 90 in the video, 150 in the photographs."""
    val = tmp_path / "video/val"
    write_clip(val, "kept", 90)
    (val / "index.json").write_text(json.dumps([entry("kept")]))
    write_pictures(tmp_path / "images/masked", "val", [[5, 5, 20, 20]])
    write_pictures(tmp_path / "images/plain", "val", [])
    return tmp_path


def test_pairs_are_the_same_for_every_run_and_built_once(root, monkeypatch):
    first = held_out_pairs(root, root / "cache").batch(0, 8)
    monkeypatch.setattr(room, "write_frames", lambda *arguments: pytest.fail("built again"))
    again = held_out_pairs(root, root / "cache").batch(0, 8)
    assert np.array_equal(first.search[256], again.search[256])
    assert np.array_equal(first.boxes, again.boxes)


def test_few_frames_of_a_video_are_kept(root, monkeypatch):
    monkeypatch.setattr(room, "FRAMES_PER_TRACK", 3)
    store = held_out_pairs(root, root / "cache").store
    assert store.kind.tolist() == [0, 0, 0, 3, 4]
    assert [round(float(store.image(i).mean())) for i in (0, 3)] == pytest.approx([90, 150], abs=4)


@pytest.mark.parametrize("missing", ["video/val/index.json", "images/plain/images.jsonl.gz"])
def test_data_without_the_split_have_no_pairs(root, missing):
    (root / missing).unlink()
    assert held_out_pairs(root, root / "cache") is None


def test_photographs_to_train_on_are_no_pairs(root):
    for name in ("images.jsonl.gz", "instances.jsonl.gz", "part.tar"):
        (root / "images/masked" / name).unlink()
    (root / "images/masked").rmdir()
    write_pictures(root / "images/masked", "train", [[5, 5, 20, 20]])
    assert held_out_pairs(root, root / "cache") is None
