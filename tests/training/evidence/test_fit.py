import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from training.evidence.fit import Trial, even_marks, fit, run
from training.recipe.schema import Decay, Phase
from training.run.jobs import read_lines

PHASE = Phase(
    "experiment",
    samples=80,
    batch=8,
    lr=0.1,
    decay=Decay("step", factor=0.5, at_samples=(40,)),
    optimiser="sgd",
    momentum=0.0,
)


class Line:
    """y = 3x by one weight, 40 samples; the loss of a sample is (w x − 3 x)² / 2."""

    samples, weight_decay, clip = 40, 0.0, math.inf

    def __init__(self) -> None:
        self.module = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.module.weight)
        self.x = torch.linspace(-1, 1, self.samples)[:, None]

    def loss(self, rows):
        x = self.x[torch.from_numpy(rows)]
        return ((self.module(x) - 3 * x) ** 2).mean() / 2

    def validation(self):
        w = self.module.weight.item()
        return w, abs(3 - w)


def by_hand(rates_and_batches, seed):
    """Gradient descent of the same problem in NumPy."""
    x, w, start = np.linspace(-1, 1, 40), 0.0, 0
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(40) for _ in range(2)])
    for rate, batch in rates_and_batches:
        chosen = x[order[start : start + batch]]
        w -= rate * np.mean((w - 3) * chosen**2)
        start += batch
    return w


@pytest.mark.parametrize(
    "phase, updates",
    [
        pytest.param(PHASE, [(0.1, 8)] * 5 + [(0.05, 8)] * 5, id="decay"),
        pytest.param(
            replace(PHASE, growth=True, max_batch=16),
            [(0.1, 8)] * 5 + [(0.1, 16)] * 2 + [(0.1, 8)],
            id="growth",
        ),
        pytest.param(replace(PHASE, micro_batch=2), [(0.1, 8)] * 5 + [(0.05, 8)] * 5, id="micro-batches"),
    ],
)
def test_a_training_follows_the_plan(phase, updates):
    record = fit(Line(), phase, seed=3)
    assert record["updates"] == len(updates)
    assert record["accuracy"][-1] == pytest.approx(by_hand(updates, 3), abs=1e-5)


def test_the_curve_has_the_first_update_past_each_mark():
    record = fit(Line(), PHASE, seed=0, marks=lambda phase: [1, 2, 17, 24, 80])
    assert record["samples"] == [8, 24, 80]
    assert record["update"] == [1, 3, 10]
    assert even_marks(PHASE)[:2] == [4, 8] and even_marks(PHASE)[-1] == 80


def test_mark_0_is_before_any_update_and_the_probe_sees_the_weights_of_its_point():
    record = fit(
        Line(), PHASE, seed=0, marks=lambda phase: [0, 8, 80], probe=lambda line: line.validation()[0]
    )
    assert record["samples"] == [0, 8, 80] and record["update"] == [0, 1, 10]
    assert record["train_loss"][0] is None and record["train_loss"][1] > record["train_loss"][2]
    assert record["probe"][0] == 0 and record["probe"] == record["accuracy"]


def test_a_training_that_diverges_ends_there():
    record = fit(Line(), replace(PHASE, lr=1e30), seed=0)
    assert record["diverged"] and record["updates"] < 10


def test_finished_trainings_are_kept(tmp_path):
    out, trained = tmp_path / "lines.jsonl", []

    def learn():
        trained.append(1)
        return Line()

    first = run([Trial("a", PHASE, 0)], learn, out, 1, "")
    out.write_text(out.read_text() + '{"key": "cut')
    again = run([Trial("b", replace(PHASE, lr=0.2), 0), Trial("a", PHASE, 0)], learn, out, 1, "")
    assert len(trained) == 2
    assert len(read_lines(out)) == 2
    assert again[1] == first[0] and again[0]["row"] == "b"
