"""Device-resident training data: one uint8 crop an item, cut and augmented in batches on the device.

The host draws (training/streams.py, a few numbers a sample) and the device does
the rest, so that no decoder can starve it. Sample i has the items, windows,
light, mirror and box that PairStream.sample(i) has; distractors, motion blur
and foreign surroundings are left out, and what lies beyond an item's resident
window is its picture's mean colour.

Source: the idea is that of a data set cached on the accelerator (Ying et al.
2018, arXiv 1811.06992); sampling is torch's grid_sample.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor

from tracker.crop import Window, context_side, window_at
from training.augment import Photometric
from training.frame_store import PictureStore
from training.streams import SEARCH_PX, TEMPLATE_PX, PairStream
from training.transfer import TensorBatch, copied
from training.yaml_tree import RecipeError

RESIDENT_PX = 320
REACH = 1.6
"""Resident windows are so many mean search windows wide: one shifted by .27 of its side stays inside."""

BGR_TO_GREY = (0.114, 0.587, 0.299)
CHUNK = 256


@dataclass(frozen=True)
class DeviceStore:
    """Of n items, on one device.

    Attributes:
        pixels: uint8 n×3×S×S BGR, the resident window of each item.
        windows: float32 n×3, its x0, y0, side in pixels of the item's picture.
        fill: float32 n×3, BGR.
    """

    pixels: Tensor
    windows: Tensor
    fill: Tensor


def fill_device(
    store: PictureStore, device: torch.device, px: int = RESIDENT_PX, quiet: bool = False
) -> DeviceStore:
    """Cut the resident window of every item of `store`, px×px: 3·px² bytes an item (13 GB for 44,000).

    Raises:
        SourceError: a picture cannot be read.
        RecipeError: the device is too small; nothing is cut then.
    """
    count = len(store.track)
    needed, free = 3 * px * px * count, _free_bytes(device)
    if needed > free:
        raise RecipeError(
            f"recipe: data.resident needs {needed / 1e9:.1f} GB on {device} for {count} crops, "
            f"where {free / 1e9:.1f} GB are free; leave it out"
        )
    pixels = torch.empty((count, 3, px, px), dtype=torch.uint8, device=device)
    windows = [resident_window(store, item) for item in range(count)]
    fill = np.empty((count, 3), np.float32)
    for item in track(range(count), f"crops to {device}", disable=quiet):
        window = windows[item]
        crop = store.region(item, window, px).transpose(2, 0, 1)
        pixels[item] = copied(np.ascontiguousarray(crop), device)
        fill[item] = store.region(item, Window(-2, -2, 2), 1)[0, 0]
    return DeviceStore(pixels, copied(_rows(windows), device), copied(fill, device))


def resident_window(store: PictureStore, item: int) -> Window:
    """Around the item's box; the whole picture where it has none."""
    x, y, w, h = store.box[item].tolist()
    if w <= 0:
        height, width = int(store.height[item]), int(store.width[item])
        return window_at(width / 2, height / 2, max(height, width))
    side = context_side(w, h) * SEARCH_PX / TEMPLATE_PX * REACH
    return window_at(x + w / 2, y + h / 2, side)


def _free_bytes(device: torch.device) -> int:
    """Of a GPU; of the CPU all its memory, since what the system caches there makes room."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class DeviceStream:
    """A Stream of training/feed.py whose batches are on the device; one thread is enough to draw them.

    Attributes:
        pairs: draws.
        resident: filled from the store of `pairs`.
    """

    pairs: PairStream
    resident: DeviceStore

    def batch(self, start: int, count: int) -> TensorBatch:
        """Samples start … start + count − 1; of none, tensors of length 0."""
        device = self.resident.pixels.device
        drawn = [self.pairs.draw(i) for i in range(start, start + max(count, 1))]
        flip = copied(np.asarray([d.flip for d in drawn]), device)
        template = _crops(
            self.resident,
            copied(np.asarray([d.template_item for d in drawn]), device),
            copied(_rows([d.template for d in drawn]), device),
            copied(_lights([d.template_look for d in drawn]), device),
            flip,
            TEMPLATE_PX,
        )
        search = _crops(
            self.resident,
            copied(np.asarray([d.search_item for d in drawn]), device),
            copied(_rows([d.search for d in drawn]), device),
            copied(_lights([d.search_look for d in drawn]), device),
            flip,
            SEARCH_PX,
        )
        boxes = copied(np.asarray([d.seen_box() for d in drawn], np.float32), device)
        present = copied(np.asarray([d.present for d in drawn]), device)
        return TensorBatch(
            {side: crops[:count] for side, crops in search.items()},
            {side: crops[:count] for side, crops in template.items()},
            boxes[:count],
            present[:count],
        )


def _rows(windows: Sequence[Window]) -> np.ndarray:
    return np.asarray([(w.x0, w.y0, w.side) for w in windows], np.float32)


def _lights(looks: Sequence[Photometric]) -> np.ndarray:
    """N×5: gain of B, G, R, offset, 1 where colour is dropped."""
    return np.asarray([(*look.gain, look.offset, look.grey) for look in looks], np.float32)


def _crops(
    resident: DeviceStore, items: Tensor, windows: Tensor, lights: Tensor, flip: Tensor, px: int
) -> dict[int, Tensor]:
    """The windows at px and px // 2, uint8 N×s×s×3."""
    parts = [
        _lit(_sampled(resident, i, w, f, px), light)
        for i, w, light, f in zip(*(t.split(CHUNK) for t in (items, windows, lights, flip)), strict=True)
    ]
    whole = torch.cat(parts)
    return {side: _bytes(crop) for side, crop in ((px // 2, F.avg_pool2d(whole, 2)), (px, whole))}


def _sampled(resident: DeviceStore, items: Tensor, windows: Tensor, flip: Tensor, px: int) -> Tensor:
    """Bilinear, N×3×px×px float32 in 0 … 255; fill where the resident window ends."""
    held = resident.windows[items]
    along = (torch.arange(px, device=windows.device) + 0.5) / px
    across = torch.where(flip[:, None], 1 - along, along)
    x, y = (
        2 * (windows[:, axis, None] + share * windows[:, 2:] - held[:, axis, None]) / held[:, 2:] - 1
        for axis, share in ((0, across), (1, along))
    )
    grid = torch.stack([x[:, None, :].expand(-1, px, -1), y[:, :, None].expand(-1, -1, px)], 3)
    fill = resident.fill[items][:, :, None, None]
    return F.grid_sample(resident.pixels[items] - fill, grid, "bilinear", "zeros", False) + fill


def _lit(crops: Tensor, lights: Tensor) -> Tensor:
    """Photometric.apply in floats."""
    lit = (crops * lights[:, :3, None, None] + lights[:, 3, None, None, None]).clamp(0, 255)
    grey = (lit * lit.new_tensor(BGR_TO_GREY)[:, None, None]).sum(1, keepdim=True)
    return torch.where(lights[:, 4, None, None, None] > 0, grey, lit)


def _bytes(crops: Tensor) -> Tensor:
    return crops.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
