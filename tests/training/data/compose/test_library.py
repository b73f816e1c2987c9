import gzip
import json
import shutil

import numpy as np
import pytest

import training.data.compose.library as room
from tests.training.data.compose.conftest import blob, write_lines
from tracker import SourceError
from training.data.compose.library import BACKGROUND, OBJECT, cut_out, is_solid, open_library, split_pictures


def test_no_source_picture_is_in_both_splits(packs):
    train, val = (open_library(packs, split, packs / "cache") for split in ("train", "val"))
    assert len(train.objects.group) == len(val.objects.group) == 4
    assert len(train.backgrounds.group) == 4 + 4 + 1, "masked and plain pictures, and a clip"
    assert not set(train.source.tolist()) & set(val.source.tolist())


def test_of_the_real_packs_neither(data):
    for pack in ("masked", "plain"):
        train, val = (split_pictures(data / "images" / pack, split) for split in ("train", "val"))
        assert len(train) > 1000 and len(val) > 100
        assert not {e["image_id"] for e in train} & {e["image_id"] for e in val}
        assert not {e["key"] for e in train} & {e["key"] for e in val}


def test_a_held_out_picture_that_looks_like_a_training_one_is_left_out(packs, tmp_path):
    shutil.copytree(packs / "images/plain", tmp_path / "plain")
    index = tmp_path / "plain/images.jsonl.gz"
    with gzip.open(index, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    twin = int(rows[0]["phash"], 16)
    for row, bits in zip(rows[4:6], (0b111111, 0b1111111), strict=True):
        row["phash"] = f"{twin ^ bits:016x}"
    write_lines(index, rows)
    kept = [entry["image_id"] for entry in split_pictures(tmp_path / "plain", "val")]
    assert kept == [5, 6, 7], "six bits from a training picture is the same picture, seven is not"


def test_a_cut_out_is_the_object_times_its_alpha(library):
    for item in library.objects.group:
        assert library.channels[item] == OBJECT
        picture = library.picture(item)
        colour, alpha = picture[..., :3].astype(int), picture[..., 3].astype(int)
        assert alpha[0].max() < 128 > alpha[:, 0].max() and (alpha > 250).mean() > 0.4
        inside = colour[alpha == 255]
        assert np.ptp(inside, axis=0).max() == 0, "one colour, nothing of the ground"
        edge = (alpha > 60) & (alpha < 200)
        expected = inside[0] * alpha[edge][:, None] / 255
        assert np.abs(colour[edge] - expected).max() < 90 * 0.75, "at the edge the ground fades out too"
    assert library.channels[library.backgrounds.members[0]].tolist() == [BACKGROUND]


def test_cutting_keeps_the_mask_in_its_place():
    mask = blob(3)
    image = np.full((*mask.shape, 3), 200, np.uint8)
    alpha = cut_out(image, mask)[..., 3]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    part = mask[rows[0] - 3 : rows[-1] + 4, columns[0] - 3 : columns[-1] + 4]
    assert alpha.shape == part.shape
    assert (alpha >= 128).sum() == pytest.approx(part.sum(), rel=0.08)
    assert not alpha[~part].max() > 128


@pytest.mark.parametrize(
    "shapes, solid",
    [
        pytest.param([(10, 10, 50, 50)], True, id="a square"),
        pytest.param([(10, 10, 24, 60)], False, id="narrow"),
        pytest.param([(10, 10, 40, 40), (60, 60, 30, 30)], False, id="two pieces"),
        pytest.param([(10, 10, 60, 60), (80, 80, 15, 15)], True, id="a large one and a crumb"),
    ],
)
def test_what_counts_as_an_object(shapes, solid):
    mask = np.zeros((100, 100), bool)
    for x, y, w, h in shapes:
        mask[y : y + h, x : x + w] = True
    assert is_solid(mask) is solid


def test_groups_are_drawn_by_the_root_of_their_size():
    label = np.array(["a"] * 16 + ["b"])
    groups = room.Groups.by_label(np.arange(17), label)
    rng = np.random.default_rng(0)
    drawn = [groups.draw(rng) for _ in range(4000)]
    assert np.mean([item == 16 for item in drawn]) == pytest.approx(1 / 5, abs=0.02)
    assert {groups.sibling(rng, 3) for _ in range(200)} == set(range(16))


def test_it_is_built_once(packs, monkeypatch):
    open_library(packs, "val", packs / "cache")
    monkeypatch.setattr(room, "write_library", lambda *arguments: pytest.fail("built again"))
    assert open_library(packs, "val", packs / "cache").digest


def test_a_missing_pack_is_named(tmp_path):
    with pytest.raises(SourceError, match="images.jsonl.gz is missing"):
        open_library(tmp_path, "train", tmp_path)
