import gzip
import io
import json
import tarfile
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import training.data.store as room
from tracker import SourceError
from tracker.crop import Window
from tracker.template import mean_colour
from training.data.open import open_store
from training.data.store import ANNOTATED, BACKGROUND, PSEUDO, RELIABLE, STILL, FrameStore


def write_clip(folder: Path, name: str, level: int) -> None:
    """Six grey frames; the target is at x = 10 + frame, absent in the fourth."""
    folder.mkdir(parents=True, exist_ok=True)
    with av.open(str(folder / f"{name}.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(6):
            picture = np.full((64, 96, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(stream.encode())
    rows = ["nan,nan,nan,nan" if i == 3 else f"{10 + i},20,30,16" for i in range(6)]
    (folder / f"{name}.csv").write_text("\n".join(rows))


def entry(name: str, **more: object) -> dict:
    files = {"path": f"{name}.mp4", "csv": [f"{name}.csv"]}
    return {"dataset": "Painted", "name": name, "source_video": name, **files, **more}


def write_pictures(folder: Path, split: str, boxes: list[list[float]]) -> None:
    folder.mkdir(parents=True)
    picture = cv2.imencode(".png", np.full((40, 50, 3), 150, np.uint8))[1].tobytes()
    with tarfile.open(folder / "part.tar", "w") as archive:
        member = tarfile.TarInfo("a.png")
        member.size = len(picture)
        archive.addfile(member, io.BytesIO(picture))
    with gzip.open(folder / "images.jsonl.gz", "wt") as out:
        print(json.dumps({"image_id": "a", "tar": "part.tar", "file": "a.png", "split": split}), file=out)
    with gzip.open(folder / "instances.jsonl.gz", "wt") as out:
        for box in boxes:
            print(json.dumps({"image_id": "a", "box": box, "cls": "cup"}), file=out)


@pytest.fixture
def root(tmp_path) -> Path:
    train, weak = tmp_path / "video/train", tmp_path / "video/weak"
    write_clip(train, "sure", 90)
    write_clip(weak, "clear", 120)
    write_clip(weak, "vague", 60)
    (train / "index.json").write_text(json.dumps([entry("sure")]))
    tracks = {"clear": (2.0, 0.5), "vague": (1.0, 0.5)}
    entries = [
        entry(name, tracks=[{"csv": f"{name}.csv", "contrast": contrast, "motion": motion}])
        for name, (contrast, motion) in tracks.items()
    ]
    (weak / "index.json").write_text(json.dumps(entries))
    write_pictures(tmp_path / "images/masked", "train", [[5, 5, 20, 20], [1, 1, 8, 30]])
    write_pictures(tmp_path / "images/plain", "train", [])
    return tmp_path


def test_every_kind_of_item_is_found_with_its_box(root):
    store = open_store(root, root / "cache")
    kinds = {kind: np.flatnonzero(store.kind == kind) for kind in range(5)}
    counts = [len(kinds[k]) for k in (ANNOTATED, RELIABLE, PSEUDO, STILL, BACKGROUND)]
    assert counts == [5, 5, 5, 1, 1], "the absent frame and the small instance are left out"
    assert store.box[kinds[ANNOTATED]][:, 0].tolist() == [10, 11, 12, 14, 15]
    assert store.image(int(kinds[ANNOTATED][0])).shape == (64, 96, 3)
    levels = [store.image(int(kinds[k][0])).mean() for k in (ANNOTATED, RELIABLE, PSEUDO, STILL)]
    assert levels == pytest.approx([90, 120, 60, 150], abs=4)


def test_it_is_built_once_and_then_read(root, monkeypatch):
    first = open_store(root, root / "cache")
    monkeypatch.setattr(room, "write_frames", lambda *arguments: pytest.fail("built again"))
    again = open_store(root, root / "cache")
    assert again.digest == first.digest
    assert np.array_equal(again.image(3), first.image(3))


def test_a_changed_index_is_another_store(root):
    before = open_store(root, root / "cache").digest
    index = root / "video/train/index.json"
    index.write_text(index.read_text() + "\n")
    assert open_store(root, root / "cache").digest != before


def test_pictures_of_the_other_split_are_not_trained_on(root):
    folder = root / "images/plain"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    write_pictures(folder, "val", [])
    assert not (open_store(root, root / "cache").kind == BACKGROUND).any()


def test_images_and_boxes_come_back_as_stored(painted_store: FrameStore):
    item = int(np.flatnonzero(painted_store.kind == ANNOTATED)[0])
    x, y, w, h = painted_store.box[item].astype(int)
    assert (painted_store.image(item)[y : y + h, x : x + w] == 220).all()
    assert (painted_store.image(item)[: y - 1] == 30).all()


def test_outside_a_picture_is_its_mean_colour_as_in_tracking(painted_store: FrameStore):
    image = painted_store.image(0)
    mean = image.reshape(-1, 3).mean(0)
    fill = painted_store.region(0, Window(-9, -9, 4), 2)[0, 0].tolist()
    assert fill == [int(level) for level in mean] == list(mean_colour(image))


def test_a_root_without_packs_is_named(tmp_path):
    with pytest.raises(SourceError, match="set data.root"):
        open_store(tmp_path, tmp_path / "cache")
