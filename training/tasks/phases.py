"""What each phase of training a tracker minimises: one function a phase."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.cost import relative_costs
from models.network import DepthGate, StageResult, pixels
from training.data.pairs import Batch
from training.data.transfer import TensorBatch, device_of, to_device
from training.recipe.schema import Phase
from training.tasks.loss_terms import LossTerms
from training.tasks.losses import (
    SoftTargets,
    feature_loss,
    joint_loss,
    response_loss,
    tracking_loss,
)
from training.tasks.targets import make_targets
from training.tasks.teacher import NanoTrackTeacher, TeacherFeatures

EXIT_WEIGHTS = (0.7, 0.7, 1.0, 1.3)
FEATURE_WEIGHTS = (0.5, 0.7, 1.0, 1.5)
TEMPLATE_FEATURE_WEIGHT = 1.0
RESPONSE_WEIGHT_BESIDE_FEATURES = 1.5
HEAD_READS = (3, 0, 3, 2, 0, 3, 1, 3, 0, 2)
"""Exits, from 0, that the teacher's head reads, in turn over the samples of a batch."""
TRACKING_WEIGHT_BESIDE_A_TEACHER = 0.5
FEATURE_WEIGHT_BESIDE_TRACKING = 0.5

AnyBatch = Batch | TensorBatch


@dataclass
class PhaseContext:
    """What a loss needs besides the batch."""

    network: DepthGate
    teacher: NanoTrackTeacher | None
    phase: Phase


def _moved(context: PhaseContext, batch: AnyBatch) -> TensorBatch:
    """Move the batch to where the network is; a TensorBatch was made there."""
    return batch if isinstance(batch, TensorBatch) else to_device(batch, device_of(context.network))


def _inputs(batch: TensorBatch) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Return template and search crops under the *search* crops' sides, as Backbone.forward takes them."""
    search = {side: pixels(crop) for side, crop in batch.search.items()}
    template = {2 * side: pixels(crop) for side, crop in batch.template.items()}
    return template, search


def features_loss(context: PhaseContext, batch: AnyBatch) -> LossTerms:
    """Distil the teacher's features into every exit's search embedding and the deepest template's.

    Two errors count: the features' own, half of it seen through the first layers of the teacher's head, and
    what the teacher's frozen head answers on the network's features. That head reads one exit a sample, in
    turn over the micro-batch (HEAD_READS).
    """
    assert context.teacher is not None
    network, teacher = context.network, context.teacher
    raw = teacher.features(batch)
    template, search = _inputs(_moved(context, batch))
    goal, goal_template = teacher.standardise(raw.search), teacher.standardise(raw.template)
    embeddings = network.embed(search)
    kept = network.exits[-1].embed(network.backbone(template)[-1])
    seen = [_distance(teacher, e, goal) for e in embeddings]
    seen_template = _distance(teacher, kept, goal_template)
    soft = teacher.responses(raw)
    reads = [HEAD_READS[i % len(HEAD_READS)] for i in range(len(kept))]
    picked = torch.stack([embeddings[k][i] for i, k in enumerate(reads)])
    response = response_loss(*teacher.answers(picked, kept), soft)
    terms = [
        *zip(FEATURE_WEIGHTS, seen, strict=True),
        (TEMPLATE_FEATURE_WEIGHT, seen_template),
        (RESPONSE_WEIGHT_BESIDE_FEATURES, response),
    ]
    return LossTerms(terms, {"feature": seen, "template": [seen_template], "response": [response]})


def heads_loss(context: PhaseContext, batch: AnyBatch) -> LossTerms:
    """Teach every exit's head on the teacher's features: its map and boxes for pairs, and for strangers.

    Each search crop is shown with its own template and with that of another sample of the micro-batch, so
    half of what a head sees is not the target. No backbone runs.
    """
    assert context.teacher is not None
    network, teacher = context.network, context.teacher
    raw = teacher.features(batch)
    n = len(raw.search)
    own, other = np.arange(n), np.roll(np.arange(n), n // 2)
    shown = TeacherFeatures(np.tile(raw.search, (2, 1, 1, 1)), raw.template[np.concatenate([own, other])])
    soft = teacher.responses(shown)
    search, template = teacher.standardise(shown.search), teacher.standardise(shown.template)
    kernels = network.templates_from(template)
    outputs = [exit_(search, rows) for exit_, rows in zip(network.exits, kernels, strict=True)]
    response = [response_loss(score, ltrb, soft) for score, ltrb in outputs]
    pairs, strangers = [r[:n] for r in response], [r[n:] for r in response]
    losses = [(a + b) / 2 for a, b in zip(pairs, strangers, strict=True)]
    return LossTerms([(1.0, loss) for loss in losses], {"response": pairs, "stranger": strangers})


def _distance(teacher: NanoTrackTeacher, embedding: Tensor, goal: Tensor) -> Tensor:
    """Return N distances of features N×C×h×w from the teacher's: half plain, half as its head reads them."""
    plain = feature_loss(embedding, goal)
    return (plain + feature_loss(teacher.read(embedding), teacher.read(goal))) / 2


def exits_loss(context: PhaseContext, batch: AnyBatch) -> LossTerms:
    """Track at every exit.

    With a teacher its map and boxes are soft targets of every exit; without
    one, the deepest exit's are, for the shallower ones.
    """
    network, teacher, moved = context.network, context.teacher, _moved(context, batch)
    template, search = _inputs(moved)
    targets = make_targets(moved.boxes, moved.present)
    kept = network.exits[-1].embed(network.backbone(template)[-1])
    kernels = network.templates_from(kept)
    features = network.backbone(search)
    embeddings = [exit_.embed(f) for exit_, f in zip(network.exits, features, strict=True)]
    outputs = [exit_(e, t) for exit_, e, t in zip(network.exits, embeddings, kernels, strict=True)]
    tracking = [tracking_loss(score, ltrb, targets) for score, ltrb in outputs]
    if teacher is None:
        soft = _own_soft_targets(*outputs[-1])
        response = [response_loss(score, ltrb, soft) for score, ltrb in outputs[:-1]]
        response.append(torch.zeros_like(tracking[-1]))
        losses = [t + 0.5 * r for t, r in zip(tracking, response, strict=True)]
        parts = {"tracking": tracking, "response": response}
        return LossTerms(list(zip(EXIT_WEIGHTS, losses, strict=True)), parts)
    raw = teacher.features(batch)
    soft = teacher.responses(raw)
    response = [response_loss(score, ltrb, soft) for score, ltrb in outputs]
    goal = teacher.standardise(raw.search)
    feature = [_distance(teacher, e, goal) for e in embeddings]
    losses = [
        TRACKING_WEIGHT_BESIDE_A_TEACHER * t + r + FEATURE_WEIGHT_BESIDE_TRACKING * f
        for t, r, f in zip(tracking, response, feature, strict=True)
    ]
    template_loss = _distance(teacher, kept, teacher.standardise(raw.template))
    terms = [*zip(EXIT_WEIGHTS, losses, strict=True), (FEATURE_WEIGHT_BESIDE_TRACKING, template_loss)]
    return LossTerms(terms, {"tracking": tracking, "response": response, "feature": feature})


def _own_soft_targets(score: Tensor, ltrb: Tensor) -> SoftTargets:
    probability = torch.sigmoid(score.detach().float()[:, 0])
    return SoftTargets(probability, ltrb.detach(), torch.ones_like(probability))


def gates_loss(context: PhaseContext, batch: AnyBatch) -> LossTerms:
    """Compute the joint loss of tracking error and computational cost; only the gates learn."""
    network, moved = context.network, _moved(context, batch)
    template, search = _inputs(moved)
    targets = make_targets(moved.boxes, moved.present)
    with torch.no_grad():
        results: list[StageResult] = network(template, search)
        losses = torch.stack([tracking_loss(r.score, r.ltrb, targets) for r in results], 1)
    stops = [
        torch.sigmoid(gate(r.statistics.float()).float())
        for gate, r in zip(network.gates, results[:-1], strict=True)
    ]
    gates = torch.cat(stops, 1)
    cost = relative_costs(network.spec).to(losses)
    loss = joint_loss(gates, losses, cost, context.phase.cost_weight)
    parts = {"tracking": list(losses.unbind(1)), "gate": list(gates.unbind(1))}
    return LossTerms([(1.0, loss)], parts)


PHASE_LOSSES: dict[str, Callable[[PhaseContext, AnyBatch], LossTerms]] = {
    "features": features_loss,
    "heads": heads_loss,
    "exits": exits_loss,
    "gates": gates_loss,
}
