"""Which cells of the map are the target, which are not, and which say nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.network import MAP_PX, STRIDE


@dataclass(frozen=True)
class Targets:
    """positive, negative: N×16×16 of 0 and 1; box: N×4 xyxy in strides; present: N of 0 and 1."""

    positive: Tensor
    negative: Tensor
    box: Tensor
    present: Tensor


def cell_centres() -> Tensor:
    """Return the positions of cells 0 … 15 along an axis, in strides: cell j looks at pixel 16·j."""
    return torch.arange(MAP_PX, dtype=torch.float32)


def make_targets(boxes: Tensor, present: Tensor) -> Targets:
    """Make ellipse labels (SiamBAN, Chen et al. 2020, section 3.3).

    boxes: N×4 xyxy in pixels of the search crop; present: N bool. Cells in
    the ellipse of a quarter of the box are positive, cells outside that of
    half the box negative, those between are ignored. A target smaller than
    a cell keeps about one positive cell.
    """
    box = boxes / STRIDE
    centre, size = (box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]
    grid = cell_centres().to(box)
    dx = (grid.view(1, 1, -1) - centre[:, 0].view(-1, 1, 1)) ** 2
    dy = (grid.view(1, -1, 1) - centre[:, 1].view(-1, 1, 1)) ** 2

    def inside(share: float, least: float) -> Tensor:
        radius = (size * share).clamp(min=least) ** 2
        return dx / radius[:, 0].view(-1, 1, 1) + dy / radius[:, 1].view(-1, 1, 1) < 1

    here = present.view(-1, 1, 1)
    positive = inside(0.25, 0.75) & here
    negative = ~(inside(0.5, 1.0) & here)
    return Targets(positive.float(), negative.float(), box, present.float())
