"""Measuring cells on a toy picture set: what is trained, what is kept, what is refused."""

import numpy as np
import pytest

import training.nas.measure.on_cifar as room
from models.nas.space import enumerate_space
from tracker.errors import SourceError
from training.nas.benchmark.show import show
from training.nas.benchmark.table import Table, TableError, load_table
from training.nas.measure.cifar import Pictures, read_split
from training.nas.measure.on_cifar import Scaled, measure, spread


@pytest.fixture
def toy(monkeypatch):
    """Ten classes by colour."""
    rng = np.random.default_rng(0)
    labels = np.arange(640) % 10
    colours = rng.integers(0, 256, (10, 3))
    pixels = (0.7 * colours[labels][:, None, None] + rng.integers(0, 70, (640, 32, 32, 3))).astype(np.uint8)
    whole = Pictures(pixels, labels)
    monkeypatch.setattr(room, "read_split", lambda folder: (whole[:512], whole[512:]))
    monkeypatch.setattr(room, "BATCH", 32)


def test_trainings_are_appended_and_an_interrupted_run_goes_on(toy, tmp_path):
    out, scaled = tmp_path / "own.jsonl", Scaled(stem=8, cells=1, epochs=4)
    first = measure([5, 9], 1, tmp_path, out, scaled, jobs=1)
    assert [(line["row"], line["repeat"]) for line in first] == [(5, 0), (9, 0)]
    assert first[0]["hash"] == enumerate_space()[5].hash() and first[0]["accuracy"] > 0.3
    with out.open("a") as file:
        file.write('{"row": 5, "rep')
    out.write_text(out.read_text().rsplit("{", 1)[0])
    both = measure([5, 9], 2, tmp_path, out, scaled, jobs=1)
    assert both[:2] == first and len(both) == 4
    assert measure([5, 9], 2, tmp_path, out, scaled, jobs=1) == both, "nothing is left to train"
    with pytest.raises(TableError, match="another network"):
        measure([5], 1, tmp_path, out, Scaled(stem=4))


def test_cells_spread_over_the_ranks_of_a_table():
    rows = np.arange(10, 30)
    accuracy = np.random.default_rng(0).random((20, 4, 1))
    chosen = spread(Table(enumerate_space(), rows, accuracy, accuracy, {}), 5)
    ranks = np.argsort(np.argsort(accuracy[:, 3, 0]))
    assert [int(ranks[row - 10]) for row in chosen] == [0, 5, 10, 14, 19]


def test_augmented_pictures_are_windows_of_the_padded_ones():
    picture = np.arange(1, 32 * 32 * 3 + 1).reshape(1, 32, 32, 3).astype(np.uint16)
    same = room._augmented(picture, np.array([[4, 4]]), np.array([False]))
    flipped = room._augmented(picture, np.array([[4, 4]]), np.array([True]))
    moved = room._augmented(picture, np.array([[0, 8]]), np.array([False]))
    assert (same == picture).all() and (flipped == picture[:, :, ::-1]).all()
    assert (moved[0, 4:, :28] == picture[0, :28, 4:]).all() and not moved[0, :4].any()


def test_the_split_of_the_pack(data):
    train, validation = read_split(data / "images" / "cifar10")
    assert (len(train), len(validation)) == (40_000, 10_000)
    assert train.pixels.shape == (40_000, 32, 32, 3)
    assert train.labels[:5].tolist() == [6, 9, 9, 4, 1], "the first labels of CIFAR-10's first batch"
    assert train.pixels.mean((0, 1, 2)) == pytest.approx((125.3, 123.0, 113.9), abs=1.0)


def test_no_pack_is_named(tmp_path):
    with pytest.raises(SourceError, match="expected the pack's folder images/cifar10"):
        read_split(tmp_path)


def test_a_cell_in_words(data):
    text = show("19554", data / "nasbench101" / "nasbench101.npz")
    assert "0b43c21229ac5d396d87870f4edbbe58" in text and "8,992,394 in the full network" in text
    assert "measured 94.90 % (best of three repeats), predicted 94." in text
    assert "measured" not in show("19554")
    for wrong, message in (("500000", "expected 0 … 423623"), ("xyz", "6 to 32 hexadecimal digits")):
        with pytest.raises(TableError, match=message):
            show(wrong)


def test_the_compact_table_still_loads_as_one(data):
    assert load_table(data / "nasbench101" / "nasbench101.npz").as_published().shape == (30_001, 4)
