import dataclasses

import cv2
import numpy as np
import pytest
import torch

from training.data import pairs
from training.data.device_store import DeviceStore, fill_device, resident_window
from training.data.device_stream import DeviceStream
from training.data.pairs import PairStream
from training.data.transfer import TensorBatch, to_device
from training.recipe.errors import RecipeError

PX, CPU = 96, torch.device("cpu")
CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))
DEVICES = pytest.mark.parametrize("device", ["cpu", CUDA])


@pytest.fixture
def store(painted_store):
    """Soft colour gradients over the painted pictures, so that every pixel says where it is from."""
    height, width = int(painted_store.height[0]), int(painted_store.width[0])
    y, x = np.mgrid[:height, :width]
    pixels = painted_store.pixels.reshape(-1, height, width, 3).copy()
    shade = np.stack([x * 120 / width, y * 120 / height, 60 + 50 * np.sin((x + y) / 9)], 2).astype(np.uint8)
    for image in pixels:
        image[...] = cv2.GaussianBlur(image // 3 + shade, (0, 0), 2)
    return dataclasses.replace(painted_store, pixels=pixels.reshape(-1))


@pytest.fixture
def busy(monkeypatch):
    """Everything that can be drawn, often."""
    for name in ("DISTRACTOR_SHARE", "BLUR_SHARE"):
        monkeypatch.setattr(pairs, name, 0.5)
    monkeypatch.setattr(pairs, "MOSTLY_FILL", 0.97)


def bilinear(image, fill, x, y):
    """Of S×S×3 floats at the centres x, y (pixel i covers [i, i + 1)); `fill` outside."""
    framed = np.pad(image - fill, ((1, 1), (1, 1), (0, 0)))
    x, y = np.clip(x + 0.5, 0, framed.shape[1] - 1.001), np.clip(y + 0.5, 0, framed.shape[0] - 1.001)
    i, j = np.floor(y).astype(int)[:, None], np.floor(x).astype(int)[None]
    v, u = (y % 1)[:, None, None], (x % 1)[None, :, None]
    top = framed[i, j] * (1 - u) + framed[i, j + 1] * u
    bottom = framed[i + 1, j] * (1 - u) + framed[i + 1, j + 1] * u
    return top * (1 - v) + bottom * v + fill


def looked_up(resident: DeviceStore, item, window, px, x, y):
    """At x, y in shares of the window."""
    held, fill = resident.windows[item].tolist(), resident.fill[item].numpy().astype(float)
    pixels = resident.pixels[item].permute(1, 2, 0).numpy().astype(float)
    x, y = (
        (corner + at * window.side - h) * PX / held[2]
        for corner, at, h in ((window.x0, x, held[0]), (window.y0, y, held[1]))
    )
    return bilinear(pixels, fill, x, y)


def reference(resident: DeviceStore, item, window, look, flip, px, drawn=None):
    """One crop in float64, straight from the definitions; `drawn`: with what is drawn for a search crop."""
    at = (np.arange(px) + 0.5) / px
    crop = looked_up(resident, item, window, px, at, at)
    if drawn and drawn.surround:
        behind = looked_up(resident, drawn.surround.item, drawn.surround.window, px, at, at)
        x0, y0, x1, y1 = drawn.surround.inside
        for row, column in np.ndindex(px, px):
            if not (x0 <= at[column] * window.side < x1 and y0 <= at[row] * window.side < y1):
                crop[row, column] = behind[row, column]
    if drawn and drawn.distractor:
        other, scene = drawn.distractor, min(window.side, 256)
        x, y = ((at * scene - corner) / other.size for corner in (other.left, other.top))
        patch = looked_up(resident, other.item, other.window, px, x, y)
        radius = np.sqrt((2 * x[None] - 1) ** 2 + (2 * y[:, None] - 1) ** 2)[..., None]
        alpha = np.clip((1 - radius) * 6, 0, 1)
        crop = crop * (1 - alpha) + patch * alpha
    crop = np.clip(crop * look.gain + look.offset, 0, 255)
    if look.grey:
        crop = np.repeat(crop @ np.array([[0.114], [0.587], [0.299]]), 3, 2)
    if drawn and drawn.blur:
        crop = cv2.filter2D(crop, -1, drawn.blur.kernel(px))
    crop = crop[:, ::-1] if flip else crop
    return {px: crop, px // 2: crop.reshape(px // 2, 2, px // 2, 2, 3).mean((1, 3))}


@DEVICES
def test_crops_are_those_of_a_slow_reference_within_a_level(store, busy, device):
    stream = PairStream(store, 7, "exits")
    resident = fill_device(store, torch.device(device), PX)
    got = DeviceStream(stream, resident).batch(40, 24)
    on_host = DeviceStore(*(t.cpu() for t in (resident.pixels, resident.windows, resident.fill)))
    looks, extras = set(), set()
    for row in range(24):
        d = stream.draw(40 + row)
        looks.add((d.flip, d.template_look.grey))
        extras |= {name for name in ("surround", "distractor", "blur") if getattr(d, name)}
        for crops, item, window, look, px, drawn in (
            (got.template, d.template_item, d.template, d.template_look, 128, None),
            (got.search, d.search_item, d.search, d.search_look, 256, d),
        ):
            for side, wanted in reference(on_host, item, window, look, d.flip, px, drawn).items():
                assert np.abs(crops[side][row].cpu().numpy() - wanted).max() < 1
    assert len(looks) == 4, "mirrored and not, colour and grey"
    assert len(extras) == 3


def test_samples_are_those_of_the_stream_but_for_the_resampling(store, busy):
    stream = PairStream(store, 7, "exits")
    got, wanted = DeviceStream(stream, fill_device(store, CPU)).batch(0, 24), stream.batch(0, 24)
    assert np.array_equal(got.boxes.numpy(), wanted.boxes)
    assert np.array_equal(got.present.numpy(), wanted.present)
    for crops, others in ((got.search, wanted.search), (got.template, wanted.template)):
        assert crops.keys() == others.keys()
        for side in crops:
            assert crops[side].shape == others[side].shape and crops[side].dtype == torch.uint8
            assert np.abs(crops[side].numpy() - others[side].astype(float)).mean() < 2


def test_a_sample_depends_on_its_index_alone(store):
    stream = DeviceStream(PairStream(store, 7, "exits"), fill_device(store, CPU, PX))
    whole, parts = stream.batch(10, 6), [stream.batch(*p) for p in ((10, 1), (11, 0), (11, 5))]
    for side in whole.search:
        assert torch.equal(whole.search[side], torch.cat([p.search[side] for p in parts]))
    for side in whole.template:
        assert torch.equal(whole.template[side], torch.cat([p.template[side] for p in parts]))


def test_resident_windows_hold_the_mean_search_window_at_its_usual_shifts(store):
    for item in range(len(store.track)):
        x, y, w, h = store.box[item].tolist()
        window = resident_window(store, item)
        if w > 0:
            search = 2 * np.sqrt((w + (w + h) / 2) * (h + (w + h) / 2))
            assert (
                window.x0 <= x + w / 2 - 0.77 * search
                and window.x0 + window.side >= x + w / 2 + 0.77 * search
            )
        else:
            assert window.side == store.width[item]


def test_what_does_not_fit_is_refused_before_a_crop_is_cut(store):
    with pytest.raises(RecipeError, match=r"needs \d+.* GB on cpu for \d+ crops, where .* are free"):
        fill_device(store, CPU, 1_000_000)


@DEVICES
def test_a_batch_arrives_whole(store, device):
    batch = PairStream(store, 7, "exits").batch(0, 3)
    moved: TensorBatch = to_device(batch, torch.device(device))
    assert moved.boxes.device.type == device
    for side, crop in batch.search.items():
        assert np.array_equal(moved.search[side].cpu().numpy(), crop)
    for side, crop in batch.template.items():
        assert np.array_equal(moved.template[side].cpu().numpy(), crop)
    assert np.array_equal(moved.boxes.cpu().numpy(), batch.boxes)
    assert np.array_equal(moved.present.cpu().numpy(), batch.present)
