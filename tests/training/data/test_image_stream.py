import numpy as np
import pytest

from training.data import image_stream
from training.data.image_folder import open_images
from training.data.image_stream import CentreStream, ImageStream, centre_crop, random_crop


@pytest.fixture
def data(painted_folder):
    return open_images(painted_folder)


def test_a_sample_depends_on_its_index_alone(data):
    batch = ImageStream(data.train, 32, 7, "classify").batch(44, 9)
    again = ImageStream(data.train, 32, 7, "classify").batch(50, 1)
    assert np.array_equal(batch.images[6], again.images[0]) and batch.labels[6] == again.labels[0]
    for seed, phase in ((8, "classify"), (7, "other")):
        assert not np.array_equal(ImageStream(data.train, 32, seed, phase).batch(50, 1).images, again.images)


def test_no_picture_comes_twice_in_an_epoch(data):
    stream = ImageStream(data.train, 32, 7, "classify")
    epochs = [[stream.item(i) for i in range(48 * k, 48 * (k + 1))] for k in range(3)]
    assert all(sorted(epoch) == list(range(48)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_labels_are_those_of_the_pictures(data):
    """The mean colour of a crop tells its class: the two strongest channels of each differ."""
    batch = ImageStream(data.train, 32, 7, "classify").batch(0, 48)
    strongest = batch.images.mean((1, 2)).argmax(1)
    plain = batch.labels != data.classes.index("grey")
    of_class = np.array([0, 1, -1, 2])[batch.labels]
    assert np.array_equal(strongest[plain], of_class[plain])


def test_of_no_samples_there_are_arrays_without_rows(data):
    for stream in (ImageStream(data.train, 32, 7, "classify"), CentreStream(data.val, 32)):
        none = stream.batch(5, 0)
        assert none.images.shape == (0, 32, 32, 3) and none.labels.shape == (0,)


def test_half_of_the_samples_are_mirrored(data, monkeypatch):
    monkeypatch.setattr(image_stream, "random_crop", lambda rng, height, width: (0, 0, width, height))
    stream = ImageStream(data.train, 32, 7, "classify")
    whole = CentreStream(data.train, 32)
    monkeypatch.setattr(image_stream, "centre_crop", lambda height, width: (0, 0, width, height))
    mirrored = 0
    for i in range(96):
        crop, plain = stream.batch(i, 1).images[0], whole.batch(stream.item(i), 1).images[0]
        mirrored += np.array_equal(crop, plain[:, ::-1])
        assert np.array_equal(crop, plain) or np.array_equal(crop, plain[:, ::-1])
    assert 30 < mirrored < 66


def test_crops_have_the_published_areas_and_aspects():
    rng = np.random.default_rng(0)
    drawn = np.array([random_crop(rng, 400, 400) for _ in range(2_000)])
    w, h = drawn[:, 2] - drawn[:, 0], drawn[:, 3] - drawn[:, 1]
    assert drawn.min() >= 0 and drawn.max() <= 400
    area, aspect = w * h / 160_000, w / h
    assert 0.078 < area.min() < 0.1 and 0.95 < area.max() <= 1
    assert 0.74 < aspect.min() < 0.76 and 1.32 < aspect.max() < 1.35
    assert (aspect > 1).mean() == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    "height, width, expected",
    [
        pytest.param(30, 3_000, (1_480, 0, 1_520, 30), id="4/3 of a very wide picture"),
        pytest.param(3_000, 30, (0, 1_480, 30, 1_520), id="3/4 of a very tall one"),
        pytest.param(1, 1, (0, 0, 1, 1), id="a single pixel"),
    ],
)
def test_where_no_crop_fits_the_middle_is_taken(height, width, expected):
    class Large:
        """Draws the whole area, at aspect 1."""

        def uniform(self, low, high):
            return high if high == 1.0 else 0.0

        def integers(self, count):
            return 0

    assert random_crop(Large(), height, width) == expected


@pytest.mark.parametrize(
    "height, width, expected",
    [
        pytest.param(256, 400, (88, 16, 312, 240), id="224 of 256"),
        pytest.param(512, 512, (32, 32, 480, 480), id="448 of 512"),
        pytest.param(1, 3, (1, 0, 2, 1), id="at least a pixel"),
    ],
)
def test_the_centre(height, width, expected):
    assert centre_crop(height, width) == expected
