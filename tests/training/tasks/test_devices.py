"""Losses follow the network to its device; without a GPU that is `meta`, which refuses to meet the CPU."""

import numpy as np
import pytest
import torch

from models.network import DepthGate
from models.registry import build_classifier
from tests.training.conftest import tiny_network
from training.data.image_stream import ImageBatch
from training.data.pairs import PairStream
from training.data.transfer import to_device
from training.recipe.schema import Phase
from training.tasks.classification import classify_loss
from training.tasks.phases import PHASE_LOSSES, PhaseContext
from training.tasks.teacher import NanoTrackTeacher

META = torch.device("meta")


class Head:
    def run(self, _, feed):
        return [np.zeros((1, 2, 15, 15), np.float32), np.ones((1, 4, 15, 15), np.float32)]


class Backbone:
    def run(self, _, feed):
        return [np.tile(feed["input"][:, :, 7::16, 7::16], (1, 32, 1, 1))]


class Teacher(NanoTrackTeacher):
    """Knows a pixel of every cell, in the right shapes."""

    def __init__(self, device):
        self._device, self._backbone, self._head = device, Backbone(), Head()
        self.mean, self.std = np.zeros(96, np.float32), np.ones(96, np.float32)
        self._torch_head = TorchHead(device)


class TorchHead:
    """Stands for OnnxGraph: the first channels as logits and distances, and one reader of the search."""

    def __init__(self, device):
        self.device = device

    def __call__(self, template, search):
        seen = search[:, :6, 1:, 1:] * template.mean((1, 2, 3), keepdim=True)
        return seen[:, :2], seen[:, 2:].exp()

    def readers(self, name):
        assert name == "input2"
        return [torch.ones(8, 96, 1, 1, device=self.device)]


@pytest.mark.parametrize(
    "name, taught, learns",
    [
        pytest.param("features", True, "backbone.", id="features"),
        pytest.param("heads", True, "exits.1.score", id="heads"),
        pytest.param("exits", True, "exits.1.score", id="exits, taught"),
        pytest.param("exits", False, "exits.1.score", id="exits, alone"),
        pytest.param("gates", False, "gates.0.", id="gates"),
    ],
)
def test_a_phase_computes_where_the_network_is(painted_store, monkeypatch, name, taught, learns):
    spec = tiny_network().spec
    costs = torch.linspace(0.5, 1, len(spec.stages))
    monkeypatch.setattr("training.tasks.phases.relative_costs", lambda _: costs)
    network = DepthGate(spec).to(META)
    phase = Phase(name, samples=4, batch=4, lr=1e-3)
    context = PhaseContext(network, Teacher(META) if taught else None, phase)
    terms = PHASE_LOSSES[name](context, PairStream(painted_store, 0, name).batch(0, 4))
    terms.share_of(4).backward()
    reached = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    assert any(n.startswith(learns) for n in reached)
    assert all(gradient.device == META for gradient in reached.values())


def test_a_teacher_sees_the_same_on_the_host_and_on_a_device(painted_store):
    batch, teacher = PairStream(painted_store, 0, "exits").batch(0, 3), Teacher(torch.device("cpu"))
    seen, moved = teacher.features(batch), teacher.features(to_device(batch, torch.device("cpu")))
    assert seen.search.shape == (3, 96, 16, 16) and seen.template.shape == (3, 96, 8, 8)
    assert seen.search.std() > 0 and np.array_equal(seen.search, moved.search)
    assert np.array_equal(seen.template, moved.template)


def test_a_classifier_computes_where_it_is():
    network = build_classifier("resnet14_narrow", 3).to(META)
    batch = ImageBatch(np.zeros((2, 32, 32, 3), np.uint8), np.array([0, 2]))
    classify_loss(network, batch, 0.1).share_of(2).backward()
    assert all(p.grad is not None and p.grad.device == META for p in network.parameters())
