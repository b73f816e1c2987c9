"""Losses per sample and exit; every one is N values, so that a gate can weigh them.

Score maps are logits N×1×16×16, boxes ltrb N×4×16×16 in strides.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.gates import stick_breaking
from training.tasks.targets import Targets, cell_centres

EASY_WEIGHT = 0.02  # of a background cell that is sure to be background; a confident one weighs 1.02


@dataclass(frozen=True)
class SoftTargets:
    """What a teacher says: probability N×16×16, ltrb N×4×16×16 in strides, known N×16×16 of 0 and 1."""

    probability: Tensor
    ltrb: Tensor
    known: Tensor


def boxes_of(ltrb: Tensor) -> Tensor:
    """Convert ltrb N×4×h×w in strides to xyxy in strides of the crop, same shape."""
    grid = cell_centres().to(ltrb)
    x, y = grid.view(1, 1, -1), grid.view(1, -1, 1)
    left, top, right, bottom = ltrb.unbind(1)
    return torch.stack([x - left, y - top, x + right, y + bottom], 1)


def iou_and_giou(boxes: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Compare boxes N×4×h×w with a target N×4, both xyxy: two N×h×w (Rezatofighi et al. 2019)."""
    t = target[:, :, None, None]
    low, high = torch.maximum(boxes[:, :2], t[:, :2]), torch.minimum(boxes[:, 2:], t[:, 2:])
    inter = (high - low).clamp(min=0).prod(1)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (t[:, 2:] - t[:, :2]).prod(1) - inter
    hull = (torch.maximum(boxes[:, 2:], t[:, 2:]) - torch.minimum(boxes[:, :2], t[:, :2])).prod(1)
    iou = inter / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull.clamp(min=1e-6)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over the cells, N values; 0 where nothing has weight."""
    return (values * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1e-6)


def tracking_loss(score: Tensor, ltrb: Tensor, targets: Targets) -> Tensor:
    """Classification plus box regression of one exit, N values.

    Score: balanced cross-entropy; a positive cell should say (1 + IoU) / 2 of
    the box it predicts, so that the score ranks boxes; negatives weigh by
    their own probability, so that the few confident ones (distractors) are
    not lost among two hundred easy cells. Box: 1 − GIoU on positive cells.
    """
    logit = score.float()[:, 0]
    iou, giou = iou_and_giou(boxes_of(ltrb), targets.box)
    goal = targets.positive * (1 + iou.detach().clamp(0, 1)) / 2
    error = F.binary_cross_entropy_with_logits(logit, goal, reduction="none")
    hard = targets.negative * (torch.sigmoid(logit.detach()) + EASY_WEIGHT)
    classify = 0.5 * _mean(error, targets.positive) + 0.5 * _mean(error, hard)
    return classify + _mean(1 - giou, targets.positive)


def response_loss(score: Tensor, ltrb: Tensor, soft: SoftTargets) -> Tensor:
    """Distance to a teacher's map and boxes, N values.

    Kullback–Leibler divergence of the cell probabilities, balanced over the
    teacher's foreground and background, and smooth L1 of log ltrb where the
    teacher sees the target.
    """
    p = soft.probability.clamp(1e-4, 1 - 1e-4)
    logit = score.float()[:, 0]
    entropy = -(p * p.log() + (1 - p) * (1 - p).log())
    divergence = F.binary_cross_entropy_with_logits(logit, p, reduction="none") - entropy
    front, back = soft.known * p, soft.known * (1 - p) * (torch.sigmoid(logit.detach()) + EASY_WEIGHT)
    box = F.smooth_l1_loss(ltrb.log(), soft.ltrb.clamp(min=0.02).log(), reduction="none", beta=0.1).mean(1)
    sure = soft.known * p * (p > 0.3)
    return 0.5 * _mean(divergence, front) + 0.5 * _mean(divergence, back) + _mean(box, sure)


def feature_loss(embedding: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error of standardised features N×C×h×w, N values."""
    return F.mse_loss(embedding.float(), teacher, reduction="none").mean((1, 2, 3))


def joint_loss(gates: Tensor, losses: Tensor, cost: Tensor, cost_weight: float) -> Tensor:
    """Compute the expected tracking loss and cost of gated depth, N values.

    Σₖ g*ₖ (Lₖ + λ cₖ) with g* the stick-breaking stops of the gate
    probabilities N×(D−1), losses N×D, and `cost` D *cumulative* costs
    relative to full depth. The published p is incremental; taken literally,
    stopping at the last exit looks cheaper than at the one before.
    """
    return (stick_breaking(gates) * (losses + cost_weight * cost)).sum(1)
