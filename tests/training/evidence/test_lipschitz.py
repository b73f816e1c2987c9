import numpy as np
import pytest
import torch
from torch import nn

from training.evidence.lipschitz import geometric_marks, local_lipschitz


class Quadratic:
    """f(w) = wᵀ A w / 2 whatever the rows."""

    def __init__(self, matrix, start):
        self.matrix = torch.tensor(matrix, dtype=torch.float32)
        self.module = nn.Linear(len(start), 1, bias=False)
        with torch.no_grad():
            self.module.weight.copy_(torch.tensor(start, dtype=torch.float32)[None])

    def loss(self, rows):
        w = self.module.weight[0]
        return w @ self.matrix @ w / 2


def test_of_a_quadratic_it_is_the_norm_of_the_hessian_times_the_gradients_direction():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4, 4))
    a, start = a @ a.T, rng.normal(size=4)
    learner = Quadratic(a, start)
    direction = a @ start / np.linalg.norm(a @ start)
    assert local_lipschitz(learner) == pytest.approx(np.linalg.norm(a @ direction), rel=1e-3)
    assert np.allclose(learner.module.weight.detach().numpy()[0], start, atol=1e-7)


def test_marks_are_a_quarter_apart_and_end_with_the_training():
    assert geometric_marks(130) == [64, 80, 100, 125, 130]
