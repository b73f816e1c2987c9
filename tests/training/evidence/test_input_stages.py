import json

import numpy as np
import pytest
import torch

import training.evidence.input_stages as bench
from tests.training.data.test_shards import reference, rows
from tracker.crop import Window
from training.data.pairs import PairStream
from training.data.shards import open_shards
from training.data.write_shards import write_shards
from training.evidence.input_report import ALONE, draw, summary, table

RESULT = summary(
    {"slow": [40.0, 60.0, 50.0], "fast": [300.0, 400.0, 500.0]},
    {ALONE: [100.0, 110.0, 90.0], "slow": [45.0, 55.0, 50.0], "fast": [95.0, 99.0, 97.0]},
    {"reading": 0.1, "decoding and cutting": 2.0, "drawing and augmenting": 1.0},
)


def test_a_stage_slower_than_the_network_is_the_bottleneck():
    assert {name: row["bottleneck"] for name, row in RESULT["stages"].items()} == {
        "slow": "input",
        "fast": "network",
    }
    assert RESULT["stages"]["slow"]["input"] == {"median": 50, "min": 40, "max": 60, "rounds": 3}
    assert RESULT["largest part"] == "decoding and cutting"


def test_the_table_and_the_plot_show_every_stage(tmp_path):
    assert table(RESULT)[1:] == [
        ["slow", "50 (40 to 60)", "50 (45 to 55)", "input"],
        ["fast", "400 (300 to 500)", "97 (95 to 99)", "network"],
        [ALONE, "–", "100 (90 to 110)", "network"],
    ]
    draw(RESULT | {"device": "cpu", "batch": 24}, tmp_path / "input.png")
    assert (tmp_path / "input.png").stat().st_size > 5000


def test_stages_take_turns_from_the_same_samples_and_are_closed():
    seen, closed = [], []

    def stage(name):
        def make(start):
            try:
                for i in range(start, start + 1000, 4):
                    seen.append((name, i))
                    yield None
            finally:
                closed.append(name)

        return make

    rates = bench.in_turns({"a": stage("a"), "b": stage("b")}, batch=4, batches=2, rounds=2)
    assert closed == ["a", "b", "a", "b"]
    assert seen == [(name, first + 4 * i) for first in (0, 8) for name in "ab" for i in range(3)]
    assert all(len(rate) == 2 and min(rate) > 0 for rate in rates.values())


@pytest.fixture
def stores(tmp_path, monkeypatch):
    large = [row for row in rows() if min(row.image.shape[:2]) > 100]
    monkeypatch.setattr(bench, "some_rows", lambda root, pictures: iter(large))
    stores, raw = bench.open_stores(tmp_path, 0, tmp_path / "stores")
    assert len(raw.track) == len(large)
    return stores


def test_the_stages_show_the_same_pixels(stores):
    for item in (0, 3, 7):
        for window in (Window(5, 9, 60), Window(-20, 30, 110)):
            for store in stores.values():
                assert np.array_equal(store.region(item, window, 64), reference(store, item, window, 64))


def test_the_parts_of_a_sample_are_told_apart(tmp_path):
    write_shards([row for row in rows() if min(row.image.shape[:2]) > 100], tmp_path, "painted")
    parts = bench.parts_of_a_sample(open_shards(tmp_path), 12)
    assert list(parts) == ["reading", "decoding and cutting", "drawing and augmenting"]
    assert 0 < parts["reading"] < parts["decoding and cutting"]


def test_a_step_of_the_network_follows_every_batch(painted_store):
    stream, seen = PairStream(painted_store, 7, "exits"), []
    make = bench.with_network(
        lambda start: (stream.batch(i, 2) for i in (start, start + 2)), seen.append, torch.device("cpu")
    )
    came = list(make(4))
    assert came == seen and len(came) == 2
    assert np.array_equal(seen[1].boxes.numpy(), stream.batch(6, 2).boxes)
    bench.network_step("depthgate-s", torch.device("cpu"))(seen[0])


@pytest.mark.slow
def test_the_benchmark_runs_on_the_packs(data, tmp_path):
    options = "--pictures 30 --batches 1 --steps 1 --rounds 1 --threads 1 --workers 2"
    assert bench.main(["--data", str(data), "--out", str(tmp_path), *options.split()]) == 0
    result = json.loads((tmp_path / "input.json").read_text())
    assert len(result["stages"]) == 7 and result["network alone"]["median"] > 0
    assert (tmp_path / "input.png").is_file()


def test_a_folder_without_packs_is_one_line(tmp_path, capsys):
    assert bench.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("depthgate: error:")
