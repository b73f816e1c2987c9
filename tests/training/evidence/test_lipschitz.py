import numpy as np
import pytest
import torch
from torch import nn

from training.evidence.lipschitz import (
    RULES,
    by_batch,
    draw,
    early_marks,
    local_lipschitz,
    peak_of,
    running_median,
    smooth,
    table_of,
)
from training.recipe.schema import Phase


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


@pytest.mark.parametrize(
    "samples, batch, marks",
    [
        pytest.param(900, 128, [0, 128, 256, 384, 512, 640, 768, 896, 900], id="shorter than ten batches"),
        pytest.param(900, 32, [*range(0, 513, 32), 640, 800, 900], id="512 samples"),
        pytest.param(2000, 100, [*range(0, 1001, 100), 1250, 1562, 1953, 2000], id="ten batches"),
    ],
)
def test_every_early_update_is_probed_and_a_quarter_further_each_after_that(samples, batch, marks):
    assert early_marks(Phase("experiment", samples, batch, 0.1)) == marks


def test_smoothing_is_by_factors_and_leaves_a_peak_where_it_is():
    assert smooth([1, 1, 16, 1, 1]) == pytest.approx([1, 2, 4, 2, 1])
    assert smooth([1, 3, 9, 27]) == pytest.approx([3**0.25, 3, 9, 27 / 3**0.25])


def test_a_single_wild_probe_is_no_peak_of_the_running_median():
    curve = running_median([1, 1, 90, 1, 2, 5, 6, 5, 1, 1])
    assert curve.tolist() == [1, 1, 1, 2, 5, 5, 5, 5, 3, 1]
    assert peak_of(curve) == 6


def test_table_and_plot_have_the_median_of_the_seeds_peaks(tmp_path):
    def line(batch, seed, probe):
        points = range(len(probe))
        return {
            "batch": batch,
            "seed": seed,
            "samples": [batch * i for i in points],
            "update": list(points),
            "probe": probe,
        }

    curves = ([1, 16, 1, 1, 1, 1], [1, 1, 1, 1, 81, 1], [1, 1, 1, 256, 1, 1])
    rows = by_batch([line(8, seed, probe) for seed, probe in enumerate(curves)])
    assert rows["8"]["peak_samples"] == [8, 32, 24]
    assert rows["8"]["peak_updates"] == [1, 4, 3]
    assert rows["8"]["peak"] == [4, 9, 16]
    assert rows["8"]["median"] == [1, 1, 2, 3, 4, 1]
    document = {"rules": {rule: rows for rule in RULES}}
    assert table_of(document)[1][1:5] == ["8", "9.0 (4.0 … 16.0)", "24 (8 … 32)", "3 (1 … 4)"]
    draw(document, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size
