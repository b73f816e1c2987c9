import dataclasses
import zlib

import numpy as np
import pytest

from training.data import pairs
from training.data.augment import draw_distractor, draw_photometric
from training.data.pairs import PairStream


@pytest.fixture
def plain(monkeypatch):
    """Without distractors, blur and foreign backgrounds the bright pixels are exactly the target."""
    for name in ("DISTRACTOR_SHARE", "BLUR_SHARE", "NEGATIVE_SHARE", "SURROUND_SHARE"):
        monkeypatch.setattr(pairs, name, 0.0)


def extent(crop):
    grey = crop.astype(float).mean(2)
    bright = grey > (grey.min() + grey.max()) / 2
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def test_a_sample_depends_on_its_index_alone(painted_store):
    stream = PairStream(painted_store, 7, "exits")
    batch, again = stream.batch(10, 4), PairStream(painted_store, 7, "exits").sample(12)
    assert np.array_equal(batch.search[256][2], again.search[256])
    assert np.array_equal(batch.template[128][2], again.template[128])
    other = PairStream(painted_store, 7, "gates").sample(12)
    assert not np.array_equal(other.search[256], again.search[256])


def test_the_box_is_where_the_target_is_at_both_scales(painted_store, plain):
    stream = PairStream(painted_store, 7, "exits")
    for i in range(40):
        sample = stream.sample(i)
        whole = min(sample.box[:2]) > 4 and max(sample.box[2:]) < 252
        if whole:
            assert extent(sample.search[256]) == pytest.approx(sample.box, abs=2.5)
            assert extent(sample.search[128]) == pytest.approx(np.array(sample.box) / 2, abs=2)


def test_the_template_shows_the_target_in_its_middle(painted_store, plain):
    stream = PairStream(painted_store, 7, "exits")
    for i in range(20):
        left, top, right, bottom = extent(stream.sample(i).template[128])
        assert abs((left + right) / 2 - 64) < 12 and abs((top + bottom) / 2 - 64) < 12


def test_negatives_show_another_track(painted_store, monkeypatch):
    monkeypatch.setattr(pairs, "NEGATIVE_SHARE", 1.0)
    stream = PairStream(painted_store, 7, "exits")
    present = [stream.sample(i).present for i in range(40)]
    assert 0 < sum(present) < 20 or not any(present)


def test_a_distractor_leaves_target_and_input_alone(painted_store):
    rng = np.random.default_rng(0)
    scene = np.full((200, 200, 3), 30, np.uint8)
    scene[80:120, 80:120] = 220
    kept = scene.copy()
    box, changed = np.array([80.0, 80, 120, 120]), 0
    for _ in range(30):
        distractor = draw_distractor(rng, 200, box, 0, painted_store.box[0])
        if distractor is None:
            continue
        out = distractor.blend(scene, painted_store.region(0, distractor.window, distractor.size))
        assert np.array_equal(scene, kept)
        assert (out[84:116, 84:116] == 220).mean() > 0.7
        changed += not np.array_equal(out, scene)
    assert changed > 10


def test_photometric_maps_levels_like_its_formula():
    look = draw_photometric(np.random.default_rng(3))
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    expected = np.clip(image * look.gain + np.float32(look.offset), 0, 255).round()
    if not look.grey:
        assert np.array_equal(look.apply(image), expected.astype(np.uint8))


@pytest.mark.parametrize("phase, checksum", [("exits", 191008679), ("gates", 2749198932)])
def test_the_samples_of_recorded_runs_stay_as_they_are(painted_store, phase, checksum):
    """Checksums of batches, drawn since the fill is the mean of all pixels: a resumed run draws them."""
    noise = np.random.default_rng(1).integers(0, 30, painted_store.pixels.shape, dtype=np.uint8)
    store = dataclasses.replace(painted_store, pixels=painted_store.pixels + noise)
    batch = PairStream(store, 7, phase).batch(1000, 32)
    found = 0
    for part in (*batch.search.values(), *batch.template.values(), batch.boxes, batch.present):
        found = zlib.crc32(np.ascontiguousarray(part).tobytes(), found)
    assert found == checksum


def test_a_draw_says_what_the_sample_shows(painted_store):
    stream = PairStream(painted_store, 7, "exits")
    for i in range(30):
        drawn, sample = stream.draw(i), stream.sample(i)
        assert (drawn.seen_box(), drawn.present) == (sample.box, sample.present)
