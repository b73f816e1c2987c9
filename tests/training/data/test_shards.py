import json
import tarfile

import cv2
import numpy as np
import pytest

from tracker import SourceError
from tracker.crop import Window, cut
from training.data import jpeg_tiles, write_shards
from training.data.open import open_store
from training.data.pairs import PairStream
from training.data.shards import INDEX, TABLE, ShardStore, open_shards
from training.data.store import ANNOTATED, BACKGROUND, PSEUDO, RELIABLE, STILL, Row, open_frames, write_frames

SIZES = [(120, 160), (123, 37), (240, 427), (480, 640), (16, 16), (9, 5)]


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """Blurred grey noise, slowly changing colour, and a hard-edged rectangle: about what a photograph has."""
    rng = np.random.default_rng(seed)
    grey, colour = (rng.integers(20, 130, (height // n + 2, width // n + 2, 3)) for n in (8, 60))
    grey[..., 1:] = grey[..., :1]
    parts = [cv2.resize(part.astype(np.uint8), (width, height)) for part in (grey, colour)]
    image = parts[0] + parts[1]
    image[height // 3 : height // 2, width // 3 : width // 2] = (20, 90, 200)
    return image


def rows() -> list[Row]:
    found = []
    for i, size in enumerate(SIZES * 4):
        image = picture(*size, i)
        kind = (ANNOTATED, RELIABLE, PSEUDO, STILL, BACKGROUND)[i % 5]
        box = (0.0, 0.0, 0.0, 0.0) if kind == BACKGROUND else (2.0, 3.0, 12.0, 9.0)
        found.append(Row(image, box, f"track {i % 10}", kind, f"group {i % 10}"))
        if kind == ANNOTATED:
            found.append(Row(image, (1.0, 1.0, 4.0, 4.0), f"other {i}", kind, "others"))
    return found


@pytest.fixture
def folder(tmp_path):
    write_shards.write_shards(rows(), tmp_path / "shards", "painted", shard_bytes=60_000)
    return tmp_path / "shards"


@pytest.fixture
def store(folder) -> ShardStore:
    return open_shards(folder)


@pytest.mark.parametrize("height, width", SIZES, ids=str)
def test_tiles_hold_the_pixels_of_the_whole_picture_bit_for_bit(height, width):
    data = jpeg_tiles.encode(picture(height, width, 1), 90)
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(jpeg_tiles.decode(data), whole)
    rng = np.random.default_rng(2)
    for _ in range(12):
        x0, y0 = int(rng.integers(width)), int(rng.integers(height))
        x1, y1 = int(rng.integers(x0, width)) + 1, int(rng.integers(y0, height)) + 1
        part = jpeg_tiles.decode_part(data, (x0, y0, x1, y1))
        inside = part.image[y0 - part.top : y1 - part.top, x0 - part.left : x1 - part.left]
        assert np.array_equal(inside, whole[y0:y1, x0:x1])


def test_a_small_part_decodes_few_tiles():
    data = jpeg_tiles.encode(picture(480, 640, 1), 90)
    part = jpeg_tiles.decode_part(data, (300, 200, 330, 230))
    assert (part.left, part.top, part.image.shape) == (256, 192, (48, 128, 3))


@pytest.mark.parametrize("scale", jpeg_tiles.SCALES)
def test_a_scaled_part_is_the_mean_of_its_pixels(scale):
    data = jpeg_tiles.encode(cv2.GaussianBlur(picture(240, 320, 3), (0, 0), 4), 95)
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    part = jpeg_tiles.decode_part(data, (64, 64, 256, 192), scale)
    height, width = part.image.shape[0] * scale, part.image.shape[1] * scale
    seen = whole[part.top : part.top + height, part.left : part.left + width].astype(float)
    means = seen.reshape(height // scale, scale, width // scale, scale, 3).mean((1, 3))
    assert np.abs(part.image - means).mean() < 1.0


@pytest.mark.parametrize(
    "window, out, scale",
    [(256, 256, 1), (511, 256, 1), (512, 256, 2), (1024, 256, 4), (9000, 256, 8), (2, 256, 1)],
)
def test_scales_never_leave_less_than_the_crop_shows(window, out, scale):
    assert jpeg_tiles.scale_for(window, out) == scale


def windows(store: ShardStore, item: int, sides: tuple[int, int]) -> list[Window]:
    """Inside the picture, over its edges, and beside it."""
    rng = np.random.default_rng(item)
    height, width = int(store.height[item]), int(store.width[item])
    drawn = [int(rng.integers(*sides)) for _ in range(6)]
    return [
        Window(int(rng.integers(-s, width + s // 2)), int(rng.integers(-s, height + s // 2)), s)
        for s in drawn
    ]


def reference(store: ShardStore, item: int, window: Window, px: int) -> np.ndarray:
    """Full decode by OpenCV, then the tracker's own crop."""
    whole = cv2.imdecode(np.frombuffer(store.encoded(item), np.uint8), cv2.IMREAD_COLOR)
    return cut(whole, window, px, [int(v) for v in store.fill[store.picture[item]]])


def test_regions_up_to_twice_the_crop_are_exact(store):
    for item in range(len(store.picture)):
        for window in windows(store, item, (2, 128)):
            assert np.array_equal(store.region(item, window, 64), reference(store, item, window, 64))


def test_regions_of_larger_windows_are_within_the_stated_tolerance(store):
    differences = []
    for item in range(len(store.picture)):
        for window in windows(store, item, (130, 900)):
            got = store.region(item, window, 64).astype(float)
            differences.append(np.abs(got - reference(store, item, window, 64)).mean())
    assert np.mean(differences) < 1.5
    assert np.max(differences) < 5


def test_items_and_pictures_come_back_as_written(store):
    wanted = rows()
    assert store.box.tolist() == [list(row.box) for row in wanted]
    assert store.kind.tolist() == [row.kind for row in wanted]
    assert len(store.size) == len(SIZES) * 4, "rows of one picture share it"
    assert len(store.files) > 2
    for item, row in enumerate(wanted):
        assert (store.height[item], store.width[item]) == row.image.shape[:2]
        assert np.abs(store.image(item).astype(float) - row.image).mean() < 12, "another picture is 40 away"
        same = [j for j, other in enumerate(wanted) if other.track == row.track]
        assert np.flatnonzero(store.track == store.track[item]).tolist() == same


def test_any_tar_program_reads_the_shards(folder, store):
    names, members = [], {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                names.append(member.name)
                members[member.name] = archive.extractfile(member).read()
    assert names == [f"{i:08d}.jpg" for i in range(len(SIZES) * 4)]
    assert all(store.encoded(i) == members[f"{store.picture[i]:08d}.jpg"] for i in range(len(store.picture)))


def test_samples_from_shards_are_those_from_raw_pixels_but_for_the_jpeg(tmp_path):
    """The same draws, and crops as alike as JPEG at quality 95 allows."""
    large = [row for row in rows() if min(row.image.shape[:2]) > 100]
    write_shards.write_shards(large, tmp_path / "shards", "painted", quality=95)
    write_frames(large, tmp_path / "raw")
    streams = [
        PairStream(store, 7, "exits")
        for store in (open_shards(tmp_path / "shards"), open_frames(tmp_path / "raw", "painted"))
    ]
    left, right = (stream.batch(0, 24) for stream in streams)
    assert np.array_equal(left.boxes, right.boxes) and np.array_equal(left.present, right.present)
    for side in left.search:
        assert np.abs(left.search[side].astype(float) - right.search[side]).mean() < 3


def test_a_folder_of_shards_is_a_data_root(folder):
    assert isinstance(open_store(folder), ShardStore)


def cut_off(folder):
    path = folder / "shard-00001.tar"
    path.write_bytes(path.read_bytes()[:1000])


def without_tar(folder):
    (folder / "shard-00000.tar").unlink()


def other_layout(folder):
    table = json.loads((folder / TABLE).read_text())
    (folder / TABLE).write_text(json.dumps(table | {"layout": 99}))


def without_index(folder):
    (folder / INDEX).unlink()


@pytest.mark.parametrize(
    "harm, says",
    [
        pytest.param(cut_off, r"shard-00001\.tar has 1000 bytes, expected \d+ bytes; copy", id="cut off"),
        pytest.param(without_tar, r"shard-00000\.tar is missing", id="tar missing"),
        pytest.param(other_layout, "layout 99, expected 1; write", id="other layout"),
        pytest.param(without_index, r"index\.npz", id="no index"),
    ],
)
def test_damage_is_one_clear_line_when_the_shards_are_opened(folder, harm, says):
    harm(folder)
    with pytest.raises(SourceError, match=says) as caught:
        open_shards(folder)
    assert "\n" not in str(caught.value)


def test_damage_inside_a_tar_names_the_picture_when_it_is_read(folder):
    path = folder / "shard-00000.tar"
    data = bytearray(path.read_bytes())
    data[512 + 900 :] = bytes(len(data) - 512 - 900)
    path.write_bytes(data)
    store = open_shards(folder)
    with pytest.raises(SourceError, match=r"picture 0 of shard-00000\.tar is damaged"):
        store.region(0, Window(0, 0, 32), 32)
    with pytest.raises(SourceError, match=r"picture 0 of shard-00000\.tar is damaged"):
        store.image(0)


def test_a_tar_that_shrinks_while_it_is_open_names_the_picture(folder, store):
    (folder / "shard-00000.tar").write_bytes(b"")
    with pytest.raises(SourceError, match="0 bytes, expected"):
        store.image(0)


def test_a_broken_writing_leaves_no_table(tmp_path):
    def broken():
        yield rows()[0]
        raise SourceError("the source broke")

    with pytest.raises(SourceError, match="broke"):
        write_shards.write_shards(broken(), tmp_path, "x")
    assert not (tmp_path / TABLE).exists()
    with pytest.raises(SourceError, match="no picture"):
        write_shards.write_shards([], tmp_path, "x")


def test_the_command_answers_a_wrong_folder_with_one_line(tmp_path, capsys):
    code = write_shards.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")])
    out = capsys.readouterr()
    assert code == 2 and out.err.startswith("depthgate: error: training data:") and out.err.count("\n") == 1


def test_a_jpeg_without_restart_markers_is_refused():
    plain = cv2.imencode(".jpg", picture(64, 64, 0))[1].tobytes()
    with pytest.raises(jpeg_tiles.DamagedError, match="restart markers"):
        jpeg_tiles.decode_part(plain, (0, 0, 8, 8))
    with pytest.raises(jpeg_tiles.DamagedError):
        jpeg_tiles.decode(b"no picture")
