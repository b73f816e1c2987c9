"""Device-resident training data: one uint8 crop an item, which training/data/device_stream.py cuts.

Source: the idea is that of a data set cached on the accelerator (Ying et al.
2018, arXiv 1811.06992).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from tracker.crop import Window, context_side, window_at
from training.data.pairs import SEARCH_PX, TEMPLATE_PX
from training.data.store import PictureStore
from training.data.transfer import copy_to
from training.recipe.errors import RecipeError

RESIDENT_PX = 320
REACH = 1.6
"""Resident windows are so many mean search windows wide: one shifted by .27 of its side stays inside."""


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
        pixels[item] = copy_to(np.ascontiguousarray(crop), device)
        fill[item] = store.region(item, Window(-2, -2, 2), 1)[0, 0]
    return DeviceStore(pixels, copy_to(rows_of(windows), device), copy_to(fill, device))


def resident_window(store: PictureStore, item: int) -> Window:
    """Return the window around the item's box; the whole picture where it has none."""
    x, y, w, h = store.box[item].tolist()
    if w <= 0:
        height, width = int(store.height[item]), int(store.width[item])
        return window_at(width / 2, height / 2, max(height, width))
    side = context_side(w, h) * SEARCH_PX / TEMPLATE_PX * REACH
    return window_at(x + w / 2, y + h / 2, side)


def rows_of(windows: Sequence[Window]) -> np.ndarray:
    """Return float32 n×3: x0, y0, side."""
    return np.asarray([(w.x0, w.y0, w.side) for w in windows], np.float32)


def _free_bytes(device: torch.device) -> int:
    """Return the free bytes of a GPU; of the CPU all its memory, since its caches make room."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
