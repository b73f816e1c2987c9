"""Cells measured as trackers: on samples made up here, and, where the packs are, on a few real ones."""

import json

import numpy as np
import pytest
import torch

import training.nas.measure.tracked as room
from models.network import DepthGate
from tracker import Tracker
from tracker.manifest import load_manifest
from tracker.zoo import find
from training.nas.benchmark.open import open_table
from training.nas.benchmark.table import TableError
from training.nas.search.design import Design

DESIGN = Design.of_row(5, scale=0.5, depths=(1, 1, 1, 1))


@pytest.fixture
def samples():
    """A bright square on noise, in the middle of the template, anywhere in the search crop."""
    rng = np.random.default_rng(0)
    count = 96
    made = {name: np.zeros((count, *shape), kind) for name, (kind, shape) in room.LAYOUT.items()}
    made["search"][:] = rng.integers(0, 90, made["search"].shape)
    made["template"][:] = rng.integers(0, 90, made["template"].shape)
    made["template"][:, 16:48, 16:48] = 220
    for i in range(count):
        x, y = rng.integers(20, 76, 2)
        made["search"][i, y : y + 32, x : x + 32] = 220
        made["boxes"][i] = 2 * np.array([x, y, x + 32, y + 32])
    made["present"][:] = True
    made["ltrb"][:] = 1
    return made


def test_a_training_lowers_the_loss_and_repeats_with_its_seed(samples, monkeypatch):
    monkeypatch.setattr(room, "BATCH", 8)
    monkeypatch.setattr(room, "WARM_UP", 16)
    rows = np.arange(32)
    torch.manual_seed(0)
    with torch.no_grad():
        before = room.losses_of(DepthGate(room.first_stage(DESIGN)), samples, rows).total.item()
    network, loss = room.train_design(DESIGN, 0, samples)
    with torch.no_grad():
        after = room.losses_of(network, samples, rows).total.item()
    assert after < 0.8 * before and np.isfinite(loss)
    assert room.train_design(DESIGN, 0, samples)[1] == loss != room.train_design(DESIGN, 1, samples)[1]


def test_the_loss_is_that_of_the_recipes(samples):
    from training.tasks.losses import feature_loss, response_loss, tracking_loss

    torch.manual_seed(0)
    network = DepthGate(room.first_stage(DESIGN)).eval()
    with torch.no_grad():
        found = room.losses_of(network, samples, np.arange(4))
        crops = torch.from_numpy(samples["search"][:4]).permute(0, 3, 1, 2).float()
        template = torch.from_numpy(samples["template"][:4]).permute(0, 3, 1, 2).float()
        [seen] = network.backbone({128: crops})
        [kept] = network.backbone({128: template})
        exit_ = network.exits[0]
        score, ltrb = exit_(exit_.embed(seen), exit_.template(exit_.embed(kept)))
        targets = room.make_targets(*(torch.from_numpy(samples[k][:4]) for k in ("boxes", "present")))
        tracking = tracking_loss(score, ltrb, targets).mean()
        soft = room.SoftTargets(
            *(torch.from_numpy(samples[k][:4]).float() for k in ("probability", "ltrb", "known"))
        )
        zeros = torch.zeros(4, 96, 16, 16)
        feature = feature_loss(exit_.embed(seen), zeros) + feature_loss(exit_.embed(kept), zeros[..., :8, :8])
    expected = 0.5 * tracking + response_loss(score, ltrb, soft).mean() + 0.5 * feature.mean()
    assert found.tracking.item() == pytest.approx(tracking.item(), rel=1e-5)
    assert found.total.item() == pytest.approx(expected.item(), rel=1e-5)


def test_one_stage_tracks_in_closed_loop(data):
    torch.manual_seed(0)
    network = DepthGate(room.first_stage(DESIGN)).eval()
    tracker = Tracker(room.TorchEngine(network), room.one_deep(load_manifest(find("default"))))
    frame = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    tracker.init(frame, (60, 40, 30, 30))
    seen = tracker.update(frame)
    assert seen.depth == 1 and seen.present and np.isfinite(seen.box).all()


def test_what_is_measured_is_kept_and_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    trained = []

    def one(design, repeat, data, files):
        trained.append((design.row, repeat))
        return {
            "row": design.row,
            "repeat": repeat,
            "accuracy": 0.4 + repeat / 10,
            "seconds": 60.0,
            "network": room._network(design),
        }

    monkeypatch.setattr(room, "_measure_one", one)
    monkeypatch.setattr(room, "cached_samples", lambda *args, **kw: {})
    out = tmp_path / "trackers.jsonl"
    room.measure_tracked([DESIGN], 1, tmp_path, out, jobs=1)
    lines = room.measure_tracked(
        [DESIGN, Design.of_row(9, scale=0.5, depths=(1, 1, 1, 1))], 2, tmp_path, out, jobs=1
    )
    assert trained == [(5, 0), (9, 0), (5, 1), (9, 1)] and len(lines) == 4
    table = open_table(out)
    assert table.peek(table.space[5], room.SAMPLES).accuracy == pytest.approx(0.45)
    assert table.peek(table.space[5], room.SAMPLES).kind == "mean of 2 repeats"
    with pytest.raises(TableError, match="expected one of 12000"):
        table.peek(table.space[5], 108)
    other = json.loads(out.read_text().splitlines()[0])
    other["network"]["separable"] = True
    with out.open("a") as file:
        file.write(json.dumps(other) + "\n")
    with pytest.raises(TableError, match="several networks"):
        open_table(out)


def test_kept_samples_are_the_streams(data, tmp_path, monkeypatch):
    from training.data.open import open_store
    from training.data.pairs import PairStream

    store = open_store(data)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(room, "open_store", lambda root: store)
    weights = data / "peers/weights"
    files = weights / "nanotrackv3_nanotrack_backbone.onnx", weights / "nanotrackv3_nanotrack_head.onnx"
    monkeypatch.setattr(room, "FITTED_ON", 8)
    kept = room.cached_samples(data, files, count=30, jobs=1)
    batch = PairStream(store, room.SEED_OF_SAMPLES, "tracked").batch(24, 6)
    assert np.array_equal(kept["search"][24:], batch.search[128])
    assert np.array_equal(kept["boxes"][24:], batch.boxes)
    assert abs(kept["search_features"][24:].astype(np.float32).mean()) < 0.5
