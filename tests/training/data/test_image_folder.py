import cv2
import numpy as np
import pytest

from tracker import SourceError
from training.data import jpeg_tiles
from training.data.image_folder import Picture, open_images


def smooth_picture(height=300, width=420):
    """Slow waves of colour: what a decoder may round is small beside them."""
    y, x = np.mgrid[:height, :width]
    return np.stack([128 + 100 * np.sin(x / a + y / b) for a, b in ((31, 50), (40, 23), (60, 70))], 2).astype(
        np.uint8
    )


def test_classes_are_numbered_by_their_names(painted_folder):
    data = open_images(painted_folder)
    assert data.classes == ("blue", "green", "grey", "red")
    assert (len(data.train), len(data.val)) == (48, 12)
    assert data.train.names[11:14] == ("blue/11.JPEG", "green/00.png", "green/01.jpg")
    assert data.val.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_the_digest_is_that_of_the_names(painted_folder):
    before = open_images(painted_folder).digest
    assert open_images(painted_folder).digest == before
    (painted_folder / "val/red/00.png").rename(painted_folder / "val/red/new.png")
    assert open_images(painted_folder).digest != before


def test_a_folder_without_pictures_in_val_has_none(painted_folder):
    (painted_folder / "val").rename(painted_folder / "test")
    assert open_images(painted_folder).val is None
    (painted_folder / "val").mkdir()
    assert open_images(painted_folder).val is None


@pytest.mark.parametrize(
    "change, says",
    [
        pytest.param(
            lambda f: (f / "train").rename(f / "t"), "train has no folders of classes", id="no train"
        ),
        pytest.param(lambda f: (f / "train/pink").mkdir(), "train/pink has no picture", id="empty class"),
        pytest.param(
            lambda f: (f / "val/red").rename(f / "val/rot"),
            "val/rot is a class that train lacks",
            id="odd class",
        ),
    ],
)
def test_a_wrong_folder_is_one_line(painted_folder, change, says):
    change(painted_folder)
    with pytest.raises(SourceError, match=says) as error:
        open_images(painted_folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cut", [0, 7, 400])
def test_an_unreadable_picture_is_named(tmp_path, cut):
    path = tmp_path / "broken.jpg"
    data = cv2.imencode(".jpg", smooth_picture())[1].tobytes()
    path.write_bytes(data[:cut])
    with pytest.raises(SourceError, match=r"cannot decode \S+broken.jpg"):
        Picture(path).crop((0, 0, 100, 100), 32)


def written(path, image, tiles=False):
    if tiles:
        path.write_bytes(jpeg_tiles.encode(image, 90))
    else:
        cv2.imwrite(str(path), image)
    return path


@pytest.mark.parametrize("name, tiles", [("a.png", False), ("a.jpg", False), ("a.jpg", True)])
@pytest.mark.parametrize(
    "corners, exact",
    [
        pytest.param((33, 17, 97, 81), True, id="64 px to 64: the picture's own"),
        pytest.param((5, 9, 115, 99), True, id="110 × 90, made smaller"),
        pytest.param((400, 280, 420, 300), True, id="a corner, made larger"),
        pytest.param((0, 0, 420, 300), False, id="all of it: JPEGs are decoded at a quarter"),
        pytest.param((101, 3, 390, 297), False, id="a part at a quarter"),
    ],
)
def test_a_crop_is_that_of_the_whole_picture(tmp_path, name, tiles, corners, exact):
    path = written(tmp_path / name, smooth_picture(), tiles)
    x0, y0, x1, y1 = corners
    how = cv2.INTER_AREA if min(x1 - x0, y1 - y0) > 64 else cv2.INTER_LINEAR
    expected = cv2.resize(cv2.imread(str(path))[y0:y1, x0:x1], (64, 64), interpolation=how)
    picture = Picture(path)
    found = picture.crop(corners, 64)
    assert (picture.height, picture.width, found.dtype) == (300, 420, np.uint8)
    distance = np.abs(found.astype(int) - expected)
    assert distance.max() == 0 if exact else distance.mean() < 2.5


def test_a_grey_jpeg_becomes_bgr(tmp_path):
    path = written(tmp_path / "grey.jpg", smooth_picture()[:, :, 0])
    assert np.array_equal(Picture(path).crop((0, 0, 50, 50), 50), cv2.imread(str(path))[:50, :50])
