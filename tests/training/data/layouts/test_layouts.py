"""Each reader on a tree in its owner's format: the pixels under every box are the target's."""

from collections import Counter

import numpy as np
import pytest

import training.data.layouts.clips as clips_room
from tests.training.data.layouts import trees
from tests.training.data.layouts.trees import TREES, box_at
from tracker import SourceError
from training.data.layouts.clips import Clip, Target, clip_rows, spread
from training.data.layouts.find import (
    data_set_rows,
    data_sets_digest,
    data_sets_in,
    open_data_sets,
    training_rows,
)
from training.data.open import open_store
from training.data.pairs import PairStream
from training.data.shards import open_shards
from training.data.store import ANNOTATED, RELIABLE, STILL
from training.data.write_shards import main as write_shards_main


def rows_of(root):
    return list(data_set_rows(data_sets_in(root)))


def left_edges(rows):
    return [row.box[0] for row in rows]


@pytest.mark.parametrize("name", TREES)
def test_the_tree_is_known_by_its_name_and_its_boxes_lie_on_its_targets(name, tmp_path):
    root = TREES[name](tmp_path)
    assert [(layout.name, folder) for layout, folder in data_sets_in(root)] == [(name, root)]
    for row in rows_of(root):
        x, y, w, h = (round(v) for v in row.box)
        assert row.image[y + 3 : y + h - 3, x + 3 : x + w - 3].mean() > 200
        outside = [row.image[max(0, y - 8) : y - 4, x : x + w], row.image[y : y + h, max(0, x - 8) : x - 4]]
        assert max(part.mean() for part in outside) < 80


def test_got10k_leaves_absent_frames_out_and_groups_by_class(tmp_path):
    rows = rows_of(trees.got10k(tmp_path))
    assert left_edges(rows) == [box_at(i)[0] for i in (0, 1, 3, 4)] * 2
    assert Counter(row.group for row in rows) == {"got10k:sea slug": 4, "got10k:bicycle": 4}
    assert {row.kind for row in rows} == {ANNOTATED}
    assert len({row.track for row in rows}) == 2


def test_lasot_leaves_test_sequences_and_hidden_frames_out(tmp_path):
    rows = rows_of(trees.lasot(tmp_path))
    assert {row.track for row in rows} == {"lasot:airplane-1"}
    assert left_edges(rows) == [box_at(i)[0] for i in (0, 2, 4, 5)]
    (tmp_path / "testing_set.txt").unlink()
    trees.lines(tmp_path / "training_set.txt", ["airplane-2"])
    assert {row.track for row in rows_of(tmp_path)} == {"lasot:airplane-2"}


def test_lasot_without_a_split_is_refused(tmp_path):
    trees.lasot(tmp_path)
    (tmp_path / "testing_set.txt").unlink()
    with pytest.raises(SourceError, match="neither training_set.txt nor testing_set.txt"):
        rows_of(tmp_path)


def test_trackingnet_counts_its_frames_as_numbers_and_is_reliable_at_most(tmp_path):
    rows = rows_of(trees.trackingnet(tmp_path))
    assert left_edges(rows) == [box_at(i)[0] for i in range(12)], "10 comes after 9"
    assert {(row.track, row.group, row.kind) for row in rows} == {
        ("trackingnet:0-6LB4FqxoE_0", "trackingnet:0-6LB4FqxoE", RELIABLE)
    }


def test_vid_follows_every_track_and_shares_pictures(tmp_path):
    rows = rows_of(trees.imagenet_vid(tmp_path / "ILSVRC2015"))
    by_track = Counter(row.track.split("#")[1] for row in rows)
    assert by_track == {"0": 3, "1": 2}
    assert {row.group for row in rows} == {"vid:n02691156", "vid:n02084071"}
    assert rows[0].image is rows[1].image and len({id(row.image) for row in rows}) == 3
    assert data_sets_in(tmp_path), "the folder that holds ILSVRC2015 is known too"


def test_coco_leaves_crowds_and_small_boxes_out_and_shrinks_pictures(tmp_path):
    rows = rows_of(trees.coco(tmp_path))
    assert [row.group for row in rows] == ["coco:car", "coco:dog", "coco:dog"]
    assert {row.kind for row in rows} == {STILL}
    assert rows[2].image.shape == (384, 640, 3) and rows[2].box == pytest.approx((80, 64, 160, 128))


@pytest.mark.parametrize(
    "name, file, text, words",
    [
        ("GOT-10k", "train/GOT-10k_Train_000001/groundtruth.txt", "1,2,30,40\n", "labels for 1 boxes"),
        ("LaSOT", "airplane/airplane-1/out_of_view.txt", "0,1", "2 flags for 6 boxes"),
        ("TrackingNet", "TRAIN_0/anno/0-6LB4FqxoE_0.txt", "1,2,30,40\n", "1 boxes for 12 pictures"),
        ("COCO", "annotations/instances_train2017.json", '{"images": []}', "expected COCO's instances"),
        (
            "ImageNet VID",
            "Annotations/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000/000001.xml",
            "<annotation><object>",
            "expected an annotation of ImageNet VID",
        ),
    ],
)
def test_a_damaged_annotation_is_named(name, file, text, words, tmp_path):
    (TREES[name](tmp_path) / file).write_text(text)
    with pytest.raises(SourceError, match=words):
        rows_of(tmp_path)


def test_a_missing_picture_is_named(tmp_path):
    trees.coco(tmp_path)
    (tmp_path / "train2017/000000000025.jpg").unlink()
    with pytest.raises(SourceError, match="000000000025.jpg; is it there"):
        rows_of(tmp_path)


def test_a_long_track_gives_frames_from_first_to_last(monkeypatch):
    monkeypatch.setattr(clips_room, "FRAMES_PER_TARGET", 5)
    boxes = np.tile([0.0, 0, 20, 20], (101, 1))
    boxes[0], boxes[50] = np.nan, (0, 0, 3, 20)
    assert spread(boxes) == [1, 25, 51, 76, 100]
    assert spread(boxes[:2]) == [], "one frame makes no pair"


def test_clips_of_unequal_length_are_refused(tmp_path):
    clip = Clip([tmp_path / "a.jpg"], [Target("t", np.zeros((2, 4)), "g")], ANNOTATED)
    with pytest.raises(SourceError, match="t: 2 boxes for 1 pictures"):
        list(clip_rows(clip))


def test_several_data_sets_under_one_folder_become_one_store(tmp_path, monkeypatch):
    for name, write in TREES.items():
        write(tmp_path / "data" / name.replace(" ", "-").lower())
    found = data_sets_in(tmp_path / "data")
    assert [layout.name for layout, _ in found] == ["COCO", "GOT-10k", "ImageNet VID", "LaSOT", "TrackingNet"]
    store = open_data_sets(found, tmp_path / "cache")
    assert Counter(store.kind.tolist()) == {ANNOTATED: 8 + 5 + 4, RELIABLE: 12, STILL: 3}
    monkeypatch.setattr("training.data.layouts.find.write_frames", lambda *a: pytest.fail("built again"))
    assert open_data_sets(found, tmp_path / "cache").digest == store.digest == data_sets_digest(found)


def test_a_recipes_root_may_be_a_data_set(tmp_path):
    store = open_store(trees.lasot(tmp_path / "lasot"), tmp_path / "cache")
    assert len(store.kind) == 4 and set(store.kind.tolist()) == {ANNOTATED}


@pytest.mark.parametrize("name", TREES)
def test_pairs_are_drawn_from_one_data_set_alone(name, tmp_path):
    """None has every kind of item; a store of the packs has."""
    stream = PairStream(open_data_sets(data_sets_in(TREES[name](tmp_path / "data")), tmp_path), 1, "exits")
    batch = stream.batch(0, 24)
    assert batch.search[256].shape == (24, 256, 256, 3) and np.isfinite(batch.boxes).all()
    assert batch.present.sum() > 12


def test_shards_are_written_from_a_published_layout(tmp_path, capsys):
    root = trees.got10k(tmp_path / "got10k")
    assert write_shards_main(["--data", str(root), "--out", str(tmp_path / "shards")]) == 0
    store = open_shards(tmp_path / "shards")
    assert len(store.kind) == 8 and store.digest == training_rows(root)[1]
    assert "8 items of 8 pictures" in capsys.readouterr().out


def test_an_empty_folder_is_neither_packs_nor_a_data_set(tmp_path):
    with pytest.raises(SourceError, match="training data: .* is missing"):
        training_rows(tmp_path)


def test_boxes_too_small_to_learn_from_make_no_store(tmp_path):
    root = trees.trackingnet(tmp_path / "data")
    trees.lines(root / "TRAIN_0/anno/0-6LB4FqxoE_0.txt", ["20,30,4,4"] * 12)
    with pytest.raises(SourceError, match="no picture with a target"):
        open_data_sets(data_sets_in(root), tmp_path / "cache")


def test_another_annotation_is_another_digest(tmp_path):
    root = trees.lasot(tmp_path)
    before = data_sets_digest(data_sets_in(root))
    with open(root / "airplane/airplane-1/groundtruth.txt", "a") as out:
        out.write("1,2,30,40\n")
    assert data_sets_digest(data_sets_in(root)) != before
