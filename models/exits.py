"""An exit: correlate the search features with the template, score and box every cell.

The template is embedded by the deepest stage alone; each exit turns that
embedding into its own kernels once, at init, so a deep template costs nothing
per frame. Correlation is pixel to pixel (Alpha-Refine, Yan et al. 2021,
section 3.2): each of the 8×8 template cells gives one similarity map.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.cell import SqueezeExcite, conv_bn, separable

EMBEDDING = 96
TEMPLATE_CELLS = 64
TEMPLATE_ROWS = TEMPLATE_CELLS + 1
EPSILON = 1e-6  # a flat map has no kurtosis; the ONNX exporter folds away what is below 1e-8


@dataclass(frozen=True)
class HeadSpec:
    """How much an exit spends on its answer.

    Attributes:
        channels: of the towers.
        branches: correlations: 1, which score and box share, 2, one each, each weighed and smoothed, or 0:
            MixedExit.
        layers: separable 5×5 convolutions of either tower.
    """

    channels: int
    branches: int = 1
    layers: int = 1

    @property
    def template_shape(self) -> tuple[int, int]:
        """Rows and columns of what an exit keeps of the template."""
        return max(1, self.branches) * TEMPLATE_ROWS, EMBEDDING + (self.branches > 0)


class Correlation(nn.Module):
    """Compare every search cell with every template cell, and fuse the maps with the modulated embedding."""

    def __init__(self, channels: int, refined: bool) -> None:
        super().__init__()
        self.kernels = nn.Conv2d(EMBEDDING, EMBEDDING, 1)
        self.level = nn.Conv2d(EMBEDDING, 1, 1)
        self.modulation = nn.Conv2d(EMBEDDING, EMBEDDING, 1)
        self.refine = Refine(TEMPLATE_CELLS) if refined else nn.Identity()
        self.fuse = conv_bn(TEMPLATE_CELLS + EMBEDDING, channels, 1)

    def template(self, embedding: Tensor) -> Tensor:
        """Turn the template's embedding N×96×8×8 into rows N×65×97.

        Rows 0 … 63 correlate, their last column is added to the similarity; row 64 modulates channels
        (mean of the central 4×4 cells), its last column is unused.
        """
        rows = torch.cat([self.kernels(embedding), self.level(embedding)], 1).flatten(2).transpose(1, 2)
        centre = self.modulation(embedding[:, :, 2:6, 2:6]).mean((2, 3))
        return torch.cat([rows, F.pad(centre, (0, 1))[:, None]], 1)

    def forward(self, embedding: Tensor, rows: Tensor) -> Tensor:
        """Correlate the search embedding N×96×h×w with the template's rows N×65×97: N×channels×h×w."""
        n, c, h, w = embedding.shape
        kernels, level = rows[:, :TEMPLATE_CELLS, :c], rows[:, :TEMPLATE_CELLS, c:]
        similarity = (torch.matmul(kernels, embedding.flatten(2)) + level).reshape(n, TEMPLATE_CELLS, h, w)
        modulated = embedding * rows[:, TEMPLATE_CELLS, :c].reshape(n, c, 1, 1)
        fused: Tensor = self.fuse(torch.cat([self.refine(similarity), modulated], 1))
        return fused


class Refine(nn.Module):
    """Weigh the similarity maps by what they show, and smooth each over 2×2 cells (NanoTrack v3's form)."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weigh = SqueezeExcite(maps, reduction=1)
        self.smooth = nn.Conv2d(maps, maps, 2, groups=maps)
        self.spread = nn.Conv2d(maps, maps, 1)

    def forward(self, similarity: Tensor) -> Tensor:
        smoothed = self.smooth(F.pad(self.weigh(similarity), (1, 0, 1, 0)))
        spread: Tensor = self.spread(smoothed.clamp(0, 6))
        return spread


class Exit(nn.Module):
    """Embedding, correlation, and the score and ltrb heads of one depth."""

    def __init__(self, width: int, spec: HeadSpec) -> None:
        super().__init__()
        self.embed = nn.Conv2d(width, EMBEDDING, 1)
        correlations = [Correlation(spec.channels, refined=spec.branches > 1) for _ in range(spec.branches)]
        self.correlations = cast("Sequence[Correlation]", nn.ModuleList(correlations))
        self.score_tower, self.box_tower = (
            nn.Sequential(*(separable(spec.channels, 5) for _ in range(spec.layers))) for _ in range(2)
        )
        self.score = nn.Conv2d(spec.channels, 1, 1)
        self.box = nn.Conv2d(spec.channels, 4, 1)
        _start_unsure(self.score, self.box)

    def heads(self) -> list[nn.Module]:
        """Return everything but the embedding."""
        return [child for name, child in self.named_children() if name != "embed"]

    def template(self, embedding: Tensor) -> Tensor:
        """Turn the template's embedding N×96×8×8 into this exit's rows N×(65·branches)×97."""
        return torch.cat([c.template(embedding) for c in self.correlations], 1)

    def forward(self, embedding: Tensor, template: Tensor) -> tuple[Tensor, Tensor]:
        """Score and box every cell: embedding N×96×h×w to logits N×1×h×w and ltrb N×4×h×w in strides."""
        each = template.split(TEMPLATE_ROWS, 1)
        seen = [c(embedding, rows) for c, rows in zip(self.correlations, each, strict=True)]
        score = self.score(self.score_tower(seen[0]))
        ltrb = torch.exp(self.box(self.box_tower(seen[-1])).float().clamp(-4.0, 3.0))
        return score, ltrb


class MixedExit(nn.Module):
    """The first release's form: one correlation, a dense 3×3 for both towers, one separable 5×5 each."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(width, EMBEDDING, 1)
        self.kernels = nn.Conv2d(EMBEDDING, EMBEDDING, 1)
        self.modulation = nn.Conv2d(EMBEDDING, EMBEDDING, 1)
        self.fuse = conv_bn(TEMPLATE_CELLS + EMBEDDING, channels, 1)
        self.mix = conv_bn(channels, channels, 3)
        self.score_tower = separable(channels, 5)
        self.box_tower = separable(channels, 5)
        self.score = nn.Conv2d(channels, 1, 1)
        self.box = nn.Conv2d(channels, 4, 1)
        _start_unsure(self.score, self.box)

    def heads(self) -> list[nn.Module]:
        """Return everything but the embedding."""
        return [child for name, child in self.named_children() if name != "embed"]

    def template(self, embedding: Tensor) -> Tensor:
        """Turn the template's embedding N×96×8×8 into this exit's kernels N×65×96.

        Rows 0 … 63 correlate, row 64 modulates channels (mean of the central 4×4 cells).
        """
        kernels = self.kernels(embedding).flatten(2).transpose(1, 2) * EMBEDDING**-0.5
        centre = self.modulation(embedding[:, :, 2:6, 2:6].mean((2, 3), keepdim=True))
        return torch.cat([kernels, centre.flatten(2).transpose(1, 2)], 1)

    def forward(self, embedding: Tensor, template: Tensor) -> tuple[Tensor, Tensor]:
        """Score and box every cell: embedding N×96×h×w to logits N×1×h×w and ltrb N×4×h×w in strides."""
        n, c, h, w = embedding.shape
        kernels, modulation = template[:, :TEMPLATE_CELLS], template[:, TEMPLATE_CELLS]
        similarity = torch.matmul(kernels, embedding.flatten(2)).reshape(n, TEMPLATE_CELLS, h, w)
        x = torch.cat([similarity, embedding * modulation.reshape(n, c, 1, 1)], 1)
        x = self.mix(self.fuse(x))
        score = self.score(self.score_tower(x))
        ltrb = torch.exp(self.box(self.box_tower(x)).float().clamp(-4.0, 3.0))
        return score, ltrb


def _start_unsure(score: nn.Conv2d, box: nn.Conv2d) -> None:
    """Set the last layers so that a fresh exit says background, and boxes of two strides a side."""
    assert score.bias is not None and box.bias is not None
    nn.init.constant_(score.bias, -2.0)
    nn.init.normal_(box.weight, 0, 0.01)
    nn.init.constant_(box.bias, 0.7)


def make_exit(width: int, spec: HeadSpec) -> Exit | MixedExit:
    """Return the exit of a stage of `width` channels."""
    return Exit(width, spec) if spec.branches else MixedExit(width, spec.channels)


def statistics(score: Tensor, depth: float) -> Tensor:
    """Compute what a gate may know of a response map: N×1×h×w logits to N×18.

    Of p = sigmoid(score): log of the kurtosis; entropy of p / Σp over log(hw);
    mean; margin between the two highest local peaks; depth / D; the five
    highest local peaks (3×3 maxima); and the offsets of peaks 2 … 5 from the
    first in map widths, each times its peak, so that an absent peak says 0.
    After Ying & Fragkiadaki 2018: kurtosis, entropy, top five values.
    """
    n, _, h, w = score.shape
    p = torch.sigmoid(score)
    flat = p.flatten(1)
    mean = flat.mean(1, keepdim=True)
    centred = flat - mean
    variance = (centred**2).mean(1, keepdim=True)
    kurtosis = torch.log((centred**4).mean(1, keepdim=True) / (variance**2 + EPSILON) + 1.0)
    share = flat / (flat.sum(1, keepdim=True) + EPSILON)
    entropy = -(share * torch.log(share + EPSILON)).sum(1, keepdim=True) / math.log(h * w)
    is_peak = F.max_pool2d(p, 3, 1, 1) == p
    peaks, where = torch.topk((p * is_peak).flatten(1), 5, dim=1)
    cells = torch.arange(h * w, device=score.device)
    row, column = (cells // w / h)[where], (cells % w / w)[where]
    down = (row[:, 1:] - row[:, :1]) * peaks[:, 1:]
    right = (column[:, 1:] - column[:, :1]) * peaks[:, 1:]
    margin = peaks[:, :1] - peaks[:, 1:2]
    level = torch.full_like(mean, depth)
    return torch.cat([kurtosis, entropy, mean, margin, level, peaks, down, right], 1)
