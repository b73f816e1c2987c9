"""An exit: correlate the search features with the template, score and box every cell.

The template is embedded by the deepest stage alone; each exit turns that
embedding into its own kernels once, at init, so a deep template costs nothing
per frame. Correlation is pixel to pixel (Alpha-Refine, Yan et al. 2021,
section 3.2): each of the 8×8 template cells gives one similarity map.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.cell import conv_bn, separable

EMBEDDING = 96
TEMPLATE_CELLS = 64
EPSILON = 1e-6  # a flat map has no kurtosis; the ONNX exporter folds away what is below 1e-8


class Exit(nn.Module):
    """Embedding, correlation, and the score and ltrb heads of one depth."""

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
        assert self.score.bias is not None and self.box.bias is not None
        nn.init.constant_(self.score.bias, -2.0)
        nn.init.normal_(self.box.weight, 0, 0.01)
        nn.init.constant_(self.box.bias, 0.7)

    def template(self, embedding: Tensor) -> Tensor:
        """Embedding of the template N×96×8×8 to this exit's kernels N×65×96.

        Rows 0 … 63 correlate, row 64 modulates channels (mean of the central 4×4 cells).
        """
        kernels = self.kernels(embedding).flatten(2).transpose(1, 2) * EMBEDDING**-0.5
        centre = self.modulation(embedding[:, :, 2:6, 2:6].mean((2, 3), keepdim=True))
        return torch.cat([kernels, centre.flatten(2).transpose(1, 2)], 1)

    def forward(self, embedding: Tensor, template: Tensor) -> tuple[Tensor, Tensor]:
        """Search embedding N×96×h×w and template N×65×96 to logits N×1×h×w and ltrb N×4×h×w in strides."""
        n, c, h, w = embedding.shape
        kernels, modulation = template[:, :TEMPLATE_CELLS], template[:, TEMPLATE_CELLS]
        similarity = torch.matmul(kernels, embedding.flatten(2)).reshape(n, TEMPLATE_CELLS, h, w)
        x = torch.cat([similarity, embedding * modulation.reshape(n, c, 1, 1)], 1)
        x = self.mix(self.fuse(x))
        score = self.score(self.score_tower(x))
        ltrb = torch.exp(self.box(self.box_tower(x)).float().clamp(-4.0, 3.0))
        return score, ltrb


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
