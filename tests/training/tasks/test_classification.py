import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import training.loop as loop
from tests.training.processes import run
from tests.training.test_loop import Killed, equal
from training.data.image_stream import ImageBatch
from training.recipe.errors import RecipeError
from training.recipe.schema import Data, Decay, Distributed, Phase, Recipe, Scaling
from training.run.logs import read_log, split_log
from training.tasks.classification import classify_loss, normalise

SCALED = Phase(
    "classify",
    samples=176,
    batch=16,
    lr=2.0,
    warmup_samples=32,
    micro_batch=8,
    optimiser="lars",
    scaling=Scaling("legw", 8),
    decay=Decay("step", factor=0.5, at_samples=(96,)),
    growth=True,
    max_batch=32,
    label_smoothing=0.1,
    clip=None,
)


def recipe(folder, *phases, **changes):
    values = {
        "purpose": "test",
        "network": "resnet14_narrow",
        "data": Data(images=str(folder), side=32),
        "phases": phases,
        "precision": "fp32",
        "weight_decay": 1e-4,
        "ema_decay": 0.5,
        "threads": 1,
        "checkpoint_samples": 8,
    }
    return Recipe(**(values | changes))


class Fixed(torch.nn.Module):
    """Says the same of every picture."""

    def __init__(self):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor([[2.0, 0.0, -1.0]]))

    def forward(self, x):
        return self.logits.expand(len(x), 3)


@pytest.mark.parametrize(
    "smoothing, share",
    [pytest.param(0.0, [1, 0, 0], id="plain"), pytest.param(0.3, [0.8, 0.1, 0.1], id="0.7 + 0.1, 0.1, 0.1")],
)
def test_the_loss_is_the_cross_entropy_with_the_smoothed_target(smoothing, share):
    batch = ImageBatch(np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 2]))
    terms = classify_loss(Fixed(), batch, smoothing)
    chances = [math.exp(x) / (math.exp(2) + 1 + math.exp(-1)) for x in (2, 0, -1)]
    first = -sum(s * math.log(p) for s, p in zip(share, chances, strict=True))
    third = -sum(s * math.log(p) for s, p in zip(share[1:] + share[:1], chances, strict=True))
    assert terms.share_of(4).item() == pytest.approx((first + third) / 4, rel=1e-6)
    assert terms.sums() == {"top1": [1.0]}


def test_channels_are_normalised_by_their_own_moments():
    """ImageNet's, as RGB in [0, 1]: mean .485 .456 .406, deviation .229 .224 .225."""
    pixel = np.array([[[[200, 100, 50]]]], np.uint8)
    expected = [(200 / 255 - 0.406) / 0.225, (100 / 255 - 0.456) / 0.224, (50 / 255 - 0.485) / 0.229]
    found = normalise(torch.from_numpy(pixel))
    assert found.shape == (1, 3, 1, 1) and found.flatten().tolist() == pytest.approx(expected, rel=1e-5)


def test_a_killed_run_resumes_bit_for_bit(painted_folder, tmp_path, monkeypatch):
    growing = {
        "batch": 8,
        "micro_batch": 4,
        "warmup_samples": 8,
        "decay": Decay("step", factor=0.5, at_samples=(24,)),
    }
    phase = replace(SCALED, samples=56, **growing)
    wanted = recipe(painted_folder, phase, validate_samples=16)
    whole = load_file(loop.train(wanted, tmp_path / "whole"))
    assert cv2.imread(str(tmp_path / "whole/curves.png")).std() > 10
    monkeypatch.setattr(loop, "write_curves", lambda folder: None)
    saves, original = [], loop._save

    def save_then_die(*arguments):
        original(*arguments)
        saves.append(arguments)
        if len(saves) in (1, 4):
            raise Killed

    monkeypatch.setattr(loop, "_save", save_then_die)
    for _ in range(2):
        with pytest.raises(Killed):
            loop.train(wanted, tmp_path / "killed")
    assert equal(whole, load_file(loop.train(wanted, tmp_path / "killed")))
    logs = [[{**x, "samples_per_s": 0} for x in read_log(tmp_path / name)] for name in ("whole", "killed")]
    assert logs[0] == logs[1]
    assert [x["samples"] for x in split_log(logs[0])[1]] == [16, 40, 56]
    assert json.loads((tmp_path / "whole/environment.json").read_text())["epoch_samples"] == 48


def train_as(world, wanted, folder):
    """Every rank has a folder of its own: only rank 0's may come to be."""
    loop.LOG_SAMPLES = 1
    loop.train_as(world, wanted, folder / str(world.rank))


def test_two_processes_learn_by_every_technique_at_once(painted_folder, tmp_path):
    """LEGW, growth, LARS, accumulation, batch norm over both, torus."""
    wanted = recipe(painted_folder, SCALED, distributed=Distributed(2, "torus"), validate_samples=100)
    run(train_as, 2, tmp_path, wanted, tmp_path)
    lines, held_out = split_log(read_log(tmp_path / "0"))
    assert not (tmp_path / "1").exists()
    assert [line["batch"] for line in lines] == [16] * 6 + [32] * 2 + [16]
    assert max(line["lr"] for line in lines) == pytest.approx(2 * math.sqrt(2))
    assert lines[0]["loss"] == pytest.approx(math.log(4), abs=0.1)
    assert [line["samples"] for line in held_out] == [128, 176]
    assert lines[-1]["loss"] < 0.6 and held_out[-1]["validation"]["top1"][0] > 0.9


def test_an_unknown_network_is_answered_with_the_legal_names(painted_folder, tmp_path):
    wanted = recipe(painted_folder, SCALED, network="resnet51")
    with pytest.raises(RecipeError, match=r"'resnet51', expected one of resnet50.*did you mean 'resnet50'"):
        loop.train(wanted, tmp_path / "run")
