import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.tracker.sources.clips import shade
from tracker import SourceError
from tracker.frames import PictureFolder, open_source, to_bgr8


def test_pictures_come_in_natural_order(tmp_path):
    for i in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"img{i}.png"), shade(i))
    (tmp_path / "notes.txt").write_text("not a picture")
    source = PictureFolder(tmp_path)
    assert source.frames == 3
    assert [int(f[0, 0, 0]) // 10 for f in source] == [1, 2, 10]


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), shade(1))
    (tmp_path / "1.png").write_bytes(b"broken")
    frames = iter(PictureFolder(tmp_path))
    next(frames)
    with pytest.raises(SourceError, match=r"1.png cannot be decoded"):
        next(frames)


@pytest.mark.parametrize(
    "picture, pixel",
    [
        pytest.param(np.full((4, 4), 7, np.uint8), (7, 7, 7), id="grey"),
        pytest.param(np.full((4, 4, 1), 7, np.uint8), (7, 7, 7), id="grey with a channel"),
        pytest.param(np.full((4, 4, 3), (1, 2, 3), np.uint8), (1, 2, 3), id="colour"),
        pytest.param(np.full((4, 4, 4), (1, 2, 3, 9), np.uint8), (1, 2, 3), id="alpha is dropped"),
        pytest.param(np.full((4, 4), 65535, np.uint16), (255, 255, 255), id="16 bit white"),
        pytest.param(np.full((4, 4, 3), (0, 257, 32896), np.uint16), (0, 1, 128), id="16 bit colour"),
    ],
)
def test_pictures_of_every_kind_become_bgr8(picture, pixel):
    got = to_bgr8(picture)
    assert got.dtype == np.uint8 and got.shape == (4, 4, 3) and got.flags["C_CONTIGUOUS"]
    assert tuple(got[1, 2]) == pixel


@pytest.mark.parametrize("kind", ["grey", "alpha", "16 bit"])
def test_folders_of_such_pictures(tmp_path, kind):
    picture = {
        "grey": np.full((8, 8), 90, np.uint8),
        "alpha": np.full((8, 8, 4), 90, np.uint8),
        "16 bit": np.full((8, 8, 3), 90 * 257, np.uint16),
    }[kind]
    cv2.imwrite(str(tmp_path / "0.png"), picture)
    assert (next(iter(open_source(tmp_path))) == 90).all()


def test_floats_are_refused():
    with pytest.raises(SourceError, match="float32"):
        to_bgr8(np.zeros((4, 4, 3), np.float32))


@pytest.fixture
def pictures(tmp_path):
    """img8.png to img12.png, each of its own shade, and a note."""
    for i in range(8, 13):
        cv2.imwrite(str(tmp_path / f"img{i}.png"), shade(i))
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


@pytest.mark.parametrize(
    "pattern, expected",
    [
        pytest.param("img%d.png", [8, 9, 10, 11, 12], id="printf"),
        pytest.param("img%02d.png", [10, 11, 12], id="printf with a width"),
        pytest.param("img1*.png", [10, 11, 12], id="glob"),
        pytest.param("*", [8, 9, 10, 11, 12], id="glob of everything"),
        pytest.param("img[89].png", [8, 9], id="set"),
    ],
)
def test_a_pattern_names_pictures_in_natural_order(pictures, pattern, expected):
    source = open_source(str(pictures / pattern))
    assert [int(f[0, 0, 0]) // 10 for f in source] == expected
    assert source.frames == len(source.files) == len(expected) and source.folders == [pictures]


def test_a_pattern_that_no_picture_fits(pictures):
    with pytest.raises(SourceError, match="no picture has a name like"):
        open_source(str(pictures / "frame*.png"))


def test_a_folder_named_by_digits_is_a_folder(pictures, monkeypatch):
    (pictures / "0").mkdir()
    (pictures / "img8.png").rename(pictures / "0" / "a.png")
    monkeypatch.chdir(pictures)
    assert open_source("0").frames == 1


def test_a_picture_is_turned_as_exif_says(tmp_path):
    """Orientation 6: the picture's first row is shown at the right."""
    upright = np.zeros((64, 48, 3), np.uint8)
    upright[:32, 24:] = 200
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(np.rot90(upright)).save(tmp_path / "0.jpg", exif=exif, quality=95)
    (frame,) = open_source(tmp_path)
    assert frame.shape == (64, 48, 3) and np.abs(frame.astype(int) - upright).mean() < 3


@pytest.mark.parametrize("name", ["moving.webp", "moving.gif", "moving.png"])
def test_a_picture_that_moves_is_played_at_its_own_pace(tmp_path, name):
    first, *others = (Image.fromarray(shade(i)) for i in (4, 5, 6, 7))
    options = {"lossless": True} if name.endswith("webp") else {}
    first.save(tmp_path / name, save_all=True, append_images=others, duration=[100, 250, 50, 100], **options)
    timed = list(open_source(tmp_path / name).timed())
    assert [t for t, _ in timed] == pytest.approx([0.0, 0.1, 0.35, 0.4])
    assert [int(f[0, 0, 0]) // 10 for _, f in timed] == [4, 5, 6, 7]


@pytest.mark.parametrize("name", ["still.png", "still.webp", "still.jpg"])
def test_a_still_picture_is_one_frame(tmp_path, name):
    cv2.imwrite(str(tmp_path / name), shade(5))
    assert [round(f.mean() / 10) for f in open_source(tmp_path / name)] == [5]


def huge_png(side: int) -> bytes:
    """The beginning of a grey picture of side² pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100)))


def test_a_picture_of_ten_thousand_million_pixels_is_refused(tmp_path):
    (tmp_path / "0.png").write_bytes(huge_png(100_000))
    for source in (tmp_path, tmp_path / "0.png"):
        with pytest.raises(SourceError, match=r"0.png (is too large|cannot be decoded)"):
            list(open_source(source))
