from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pytest
import torch

import training.run.validation as room
from training.distributed.world import World
from training.run.validation import validate
from training.tasks.loss_terms import LossTerms

ALONE = World(0, 1, 0, torch.device("cpu"), timedelta(seconds=1))


@dataclass(frozen=True)
class Numbers:
    values: np.ndarray


class Counting:
    """Sample i is the number i."""

    def batch(self, start, count):
        return Numbers(np.arange(start, start + count, dtype=np.float32))


def squares(batch):
    x = torch.from_numpy(batch.values)
    return LossTerms([(1.0, x**2), (0.5, x)], {"x": [x, 2 * x], "even": [(x % 2 == 0).float()]})


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_it_is_the_mean_over_all_samples_whatever_the_batches(size, monkeypatch):
    monkeypatch.setattr(room, "BATCH", size)
    found = validate(squares, Counting(), 10, ALONE, bf16=False, workers=2)
    # means of 0 … 9: squares 28.5, numbers 4.5
    assert found.pop("loss") == pytest.approx(28.5 + 0.5 * 4.5)
    assert found == {"x": [4.5, 9.0], "even": [0.5]}


def test_nothing_is_trained():
    weight = torch.ones((), requires_grad=True)

    def loss(batch):
        return LossTerms([(1.0, weight * torch.from_numpy(batch.values))], {})

    assert validate(loss, Counting(), 3, ALONE, bf16=False, workers=1) == {"loss": pytest.approx(1.0)}
    assert weight.grad is None
