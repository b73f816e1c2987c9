import gzip
import json

import numpy as np
import pytest

from tests.training.data.compose.conftest import encode_mask
from tracker import SourceError
from training.data.compose.rle import decode_mask


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("222", [[0, 1, 0], [0, 1, 0]], id="a column"),
        pytest.param("022", [[1, 0], [1, 0]], id="begins with a hit"),
        pytest.param("12110", [[0, 1, 1, 1], [1, 0, 1, 0]], id="from the fourth run on, changes"),
        pytest.param("131O0", [[0, 1, 0, 1], [1, 1, 1, 0]], id="a negative change"),
        pytest.param("6", [[0, 0, 0], [0, 0, 0]], id="nothing"),
    ],
)
def test_strings_packed_by_hand(text, expected):
    expected = np.array(expected, bool)
    assert np.array_equal(decode_mask(text, *expected.shape), expected)


def test_long_runs_take_several_characters():
    """20 is 10100, whose fifth bit would be a sign, so a zero follows; 40 is 1 01000; +32: more to come."""
    text = "".join(chr(48 + code) for code in (0b10100 + 32, 0, 0b01000 + 32, 1))
    assert decode_mask(text, 30, 2).sum(0).tolist() == [10, 30]


def test_random_masks_come_back():
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = rng.random(rng.integers(1, 60, 2)) < rng.choice([0.02, 0.5, 0.98])
        assert np.array_equal(decode_mask(encode_mask(mask), *mask.shape), mask)


def test_runs_that_do_not_fill_the_picture_are_refused():
    with pytest.raises(SourceError, match="6 pixels, expected 2×4"):
        decode_mask("222", 2, 4)


def test_masks_of_the_pack_have_the_area_and_box_that_its_makers_wrote(data):
    folder = data / "images/masked"
    size = {}
    with gzip.open(folder / "images.jsonl.gz", "rt") as lines:
        for line in lines:
            row = json.loads(line)
            size[row["image_id"]] = row["h"], row["w"]
    seen = 0
    with gzip.open(folder / "instances.jsonl.gz", "rt") as lines:
        for line in lines:
            row = json.loads(line)
            if row["rle"] is None or row["image_id"] % 40:
                continue
            mask = decode_mask(row["rle"], *size[row["image_id"]])
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            x, y, w, h = row["box"]
            assert mask.sum() == row["area"]
            assert (columns[0], rows[0]) == pytest.approx((x, y), abs=0.2)
            assert (columns[-1] + 1, rows[-1] + 1) == pytest.approx((x + w, y + h), abs=0.2)
            seen += 1
    assert seen > 50
