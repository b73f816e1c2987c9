import itertools

import numpy as np
import pytest
import torch

from training.tasks.losses import (
    SoftTargets,
    boxes_of,
    iou_and_giou,
    joint_loss,
    response_loss,
    tracking_loss,
)
from training.tasks.targets import make_targets

BOXES = torch.tensor([[80.0, 96.0, 176.0, 160.0], [100.0, 90.0, 150.0, 170.0]])


def perfect_ltrb(boxes):
    grid = torch.arange(16.0)
    box = boxes[:, :, None, None] / 16
    x, y = grid.view(1, 1, 16).expand(1, 16, 16), grid.view(1, 16, 1).expand(1, 16, 16)
    return torch.stack([x - box[:, 0], y - box[:, 1], box[:, 2] - x, box[:, 3] - y], 1).clamp(min=1e-3)


def test_boxes_of_inverts_ltrb():
    back = boxes_of(perfect_ltrb(BOXES))[:, :, 8, 8]
    assert torch.allclose(back, BOXES / 16)


def test_iou_and_giou_against_areas_counted_by_hand():
    # 2×2 against 2×2 shifted by one: inter 1·2, union 6, hull 3·2 = 6; then apart by one: hull 5·2
    boxes = torch.tensor([[1.0, 0, 3, 2], [3.0, 0, 5, 2]]).view(2, 4, 1, 1)
    iou, giou = iou_and_giou(boxes, torch.tensor([[0.0, 0, 2, 2], [0.0, 0, 2, 2]]))
    assert iou.flatten().tolist() == pytest.approx([1 / 3, 0])
    assert giou.flatten().tolist() == pytest.approx([1 / 3, -(10 - 8) / 10])


def test_tracking_loss_falls_to_zero_for_a_perfect_exit():
    targets = make_targets(BOXES, torch.tensor([True, True]))
    good = torch.where(targets.positive.bool(), 12.0, -12.0)[:, None]
    assert tracking_loss(good, perfect_ltrb(BOXES), targets).max() < 1e-2
    assert tracking_loss(-good, perfect_ltrb(BOXES), targets).min() > 5


def test_a_sample_loses_the_same_alone_and_in_a_batch():
    rng = torch.Generator().manual_seed(0)
    score, ltrb = torch.randn(2, 1, 16, 16, generator=rng), torch.rand(2, 4, 16, 16, generator=rng) + 0.5
    present = torch.tensor([True, False])
    together = tracking_loss(score, ltrb, make_targets(BOXES, present))
    alone = [
        tracking_loss(score[i : i + 1], ltrb[i : i + 1], make_targets(BOXES[i : i + 1], present[i : i + 1]))
        for i in (0, 1)
    ]
    assert torch.allclose(together, torch.cat(alone))


def test_a_confident_distractor_outweighs_the_easy_background():
    targets = make_targets(BOXES[:1], torch.tensor([True]))
    score = torch.where(targets.positive.bool(), 6.0, -6.0)[:, None]
    peak = score.clone()
    peak[0, 0, 2, 2] = 6.0
    ltrb = perfect_ltrb(BOXES[:1])
    plain_mean = 0.5 * 6.0 / targets.negative.sum()
    assert tracking_loss(peak, ltrb, targets) - tracking_loss(score, ltrb, targets) > 10 * plain_mean


def test_response_loss_is_zero_at_the_teacher_and_ignores_unknown_cells():
    p = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(1)) * 0.9 + 0.05
    ltrb = perfect_ltrb(BOXES[:1]).clamp(min=0.05)
    known = torch.ones(1, 16, 16)
    known[:, 0] = 0
    score = torch.logit(p)[:, None].clone()
    assert response_loss(score, ltrb, SoftTargets(p, ltrb, known)).item() == pytest.approx(0, abs=1e-5)
    score[:, :, 0] += 9
    assert response_loss(score, ltrb, SoftTargets(p, ltrb, known)).item() == pytest.approx(0, abs=1e-5)
    score[:, :, 5] += 9
    assert response_loss(score, ltrb, SoftTargets(p, ltrb, known)).item() > 0.1


def test_joint_loss_is_the_expectation_over_all_stop_decisions():
    rng = np.random.default_rng(2)
    gates, losses = rng.uniform(size=(3,)), rng.uniform(size=(4,))
    cost = np.array([0.15, 0.3, 0.7, 1.0])
    expected = 0.0
    for stops in itertools.product([0, 1], repeat=3):
        chance = np.prod([g if s else 1 - g for g, s in zip(gates, stops, strict=True)])
        depth = stops.index(1) if 1 in stops else 3
        expected += chance * (losses[depth] + 0.4 * cost[depth])
    got = joint_loss(torch.tensor(gates)[None], torch.tensor(losses)[None], torch.tensor(cost), 0.4)
    assert got.item() == pytest.approx(expected, rel=1e-6)
