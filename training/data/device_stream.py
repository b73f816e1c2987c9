"""Samples cut and augmented in batches on the device, from a store that is there already.

The host draws (training/data/pairs.py, a few numbers a sample) and the device does
the rest, so that no decoder can starve it. Sample i has the items, windows,
light, mirror, surround, distractor, blur and box that PairStream.sample(i) has;
what differs is the resampling, and that everything happens at the size of the crop.
What lies beyond an item's resident window is its picture's mean colour.
Sampling is torch's grid_sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tracker.crop import Window
from training.data.augment import ELLIPSE_EDGE, Photometric
from training.data.device_store import DeviceStore, rows_of
from training.data.pairs import SEARCH_PX, TEMPLATE_PX, Draw, PairStream, scene_px
from training.data.transfer import TensorBatch, copied

BGR_TO_GREY = (0.114, 0.587, 0.299)
CHUNK = 256


@dataclass(frozen=True)
class DeviceStream:
    """A Stream of training/data/feed.py whose batches are on the device; one thread is enough to draw them.

    Attributes:
        pairs: draws.
        resident: filled from the store of `pairs`.
    """

    pairs: PairStream
    resident: DeviceStore

    def batch(self, start: int, count: int) -> TensorBatch:
        """Make samples start … start + count − 1; of none, tensors of length 0."""
        drawn = [self.pairs.draw(i) for i in range(start, start + max(count, 1))]
        parts = [drawn[i : i + CHUNK] for i in range(0, len(drawn), CHUNK)]
        device = self.resident.pixels.device
        template, search = (
            _stacked([_two_sides(cut(self.resident, part)) for part in parts], count)
            for cut in (template_crops, search_crops)
        )
        boxes = copied(np.asarray([d.seen_box() for d in drawn], np.float32), device)[:count]
        present = copied(np.asarray([d.present for d in drawn]), device)[:count]
        return TensorBatch(search, template, boxes, present)


def template_crops(resident: DeviceStore, drawn: Sequence[Draw]) -> Tensor:
    """N×3×128×128 float32 BGR, 0 … 255."""
    items, windows = [d.template_item for d in drawn], [d.template for d in drawn]
    crops = _sampled(resident, items, windows, _centres(len(drawn), TEMPLATE_PX, resident.pixels.device))
    return _flipped(_lit(crops, [d.template_look for d in drawn]), drawn)


def search_crops(resident: DeviceStore, drawn: Sequence[Draw]) -> Tensor:
    """N×3×256×256 float32 BGR, 0 … 255, after all that is drawn for them."""
    items, windows = [d.search_item for d in drawn], [d.search for d in drawn]
    crops = _sampled(resident, items, windows, _centres(len(drawn), SEARCH_PX, resident.pixels.device))
    _surround(crops, resident, drawn)
    _distract(crops, resident, drawn)
    crops = _lit(crops, [d.search_look for d in drawn])
    _blur(crops, drawn)
    return _flipped(crops, drawn)


def _two_sides(crops: Tensor) -> dict[int, Tensor]:
    """As bytes N×s×s×3, at their side and at half of it."""
    px = crops.shape[-1]
    return {
        side: crop.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        for side, crop in ((px // 2, F.avg_pool2d(crops, 2)), (px, crops))
    }


def _stacked(parts: list[dict[int, Tensor]], count: int) -> dict[int, Tensor]:
    return {side: torch.cat([part[side] for part in parts])[:count] for side in parts[0]}


def _centres(count: int, px: int, device: torch.device) -> Tensor:
    """Of px pixels in shares of a side, N×px."""
    return ((torch.arange(px, device=device) + 0.5) / px).expand(count, px)


def _sampled(
    resident: DeviceStore,
    items: Sequence[int],
    windows: Sequence[Window],
    across: Tensor,
    down: Tensor | None = None,
) -> Tensor:
    """Bilinear, N×3×h×w float32 in 0 … 255; fill where the resident window ends.

    Args:
        across, down: where in its window every column and row lies, in shares of its side; N×w and N×h, alike
            if one is given.
    """
    device = across.device
    which, window = copied(np.asarray(items), device), copied(rows_of(windows), device)
    held = resident.windows[which]
    x, y = (
        2 * (window[:, axis, None] + share * window[:, 2:] - held[:, axis, None]) / held[:, 2:] - 1
        for axis, share in ((0, across), (1, across if down is None else down))
    )
    height, width = y.shape[1], x.shape[1]
    grid = torch.stack([x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], 3)
    fill = resident.fill[which][:, :, None, None]
    return F.grid_sample(resident.pixels[which] - fill, grid, "bilinear", "zeros", False) + fill


def _chosen(drawn: Sequence[Draw], what: str, device: torch.device) -> tuple[Tensor, list[Any], list[Draw]]:
    """Rows of the samples that have `what`, that itself, and their draws."""
    rows = [i for i, d in enumerate(drawn) if getattr(d, what) is not None]
    some = [drawn[i] for i in rows]
    return torch.tensor(rows, device=device), [getattr(d, what) for d in some], some


def _surround(crops: Tensor, resident: DeviceStore, drawn: Sequence[Draw]) -> None:
    """Surround.lay, in place."""
    rows, surrounds, some = _chosen(drawn, "surround", crops.device)
    if not some:
        return
    axis = _centres(len(some), crops.shape[-1], crops.device)
    behind = _sampled(resident, [s.item for s in surrounds], [s.window for s in surrounds], axis)
    edges = np.asarray([s.inside for s in surrounds]) / np.asarray([[d.search.side] for d in some])
    x0, y0, x1, y1 = copied(edges.astype(np.float32), crops.device).T[:, :, None]
    inside = ((axis >= y0) & (axis < y1))[:, :, None] & ((axis >= x0) & (axis < x1))[:, None, :]
    crops[rows] = torch.where(inside[:, None], crops[rows], behind)


def _distract(crops: Tensor, resident: DeviceStore, drawn: Sequence[Draw]) -> None:
    """Distractor.blend, in place."""
    rows, others, some = _chosen(drawn, "distractor", crops.device)
    if not some:
        return
    scene = np.asarray([scene_px(d.search, SEARCH_PX) for d in some])
    squares = np.asarray([(o.left, o.top, o.size) for o in others]) / scene[:, None]
    left, top, size = copied(squares.astype(np.float32), crops.device).T[:, :, None]
    axis = _centres(len(some), crops.shape[-1], crops.device)
    across, down = (axis - left) / size, (axis - top) / size
    patch = _sampled(resident, [o.item for o in others], [o.window for o in others], across, down)
    radius = torch.hypot(2 * down[:, :, None] - 1, 2 * across[:, None, :] - 1)
    alpha = ((1 - radius) * ELLIPSE_EDGE).clamp(0, 1)[:, None]
    crops[rows] = torch.lerp(crops[rows], patch, alpha)


def _lit(crops: Tensor, looks: Sequence[Photometric]) -> Tensor:
    """Photometric.apply in floats."""
    lights = copied(np.asarray([(*k.gain, k.offset, k.grey) for k in looks], np.float32), crops.device)
    lit = (crops * lights[:, :3, None, None] + lights[:, 3, None, None, None]).clamp(0, 255)
    grey = (lit * lit.new_tensor(BGR_TO_GREY)[:, None, None]).sum(1, keepdim=True)
    return torch.where(lights[:, 4, None, None, None] > 0, grey, lit)


def _blur(crops: Tensor, drawn: Sequence[Draw]) -> None:
    """MotionBlur.apply, in place."""
    rows, blurs, some = _chosen(drawn, "blur", crops.device)
    if not some:
        return
    kernels = [blur.kernel(crops.shape[-1]) for blur in blurs]
    most = max(len(k) for k in kernels)
    stacked = np.stack([np.pad(k, (most - len(k)) // 2) for k in kernels]).repeat(3, 0)[:, None]
    weight, reach = copied(stacked, crops.device), most // 2
    planes = F.pad(crops[rows].flatten(0, 1)[None], (reach,) * 4, "reflect")
    crops[rows] = F.conv2d(planes, weight, groups=len(weight)).view(len(some), *crops.shape[1:])


def _flipped(crops: Tensor, drawn: Sequence[Draw]) -> Tensor:
    flip = copied(np.asarray([d.flip for d in drawn]), crops.device)
    return torch.where(flip[:, None, None, None], crops.flip(3), crops)
