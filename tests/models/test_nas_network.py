import numpy as np
import pytest
import torch

from models.cell_spec import CellSpec
from models.nas.network import NasBenchNetwork, parameters
from tests.models.test_cell_spec import INCEPTION


@pytest.mark.parametrize(
    "cell, count",
    [
        pytest.param(INCEPTION, 2_694_282, id="the original's README"),
        pytest.param(CellSpec.from_code(7, 1101347, 99), 32_426_634, id="02e5a024, row 162354"),
        pytest.param(CellSpec.from_edges((), {(0, 1)}), 882_570, id="two vertices"),
        pytest.param(CellSpec.from_code(6, 30869, 80), 227_274, id="smallest of the space"),
        pytest.param(CellSpec.from_code(7, 1065583, 0), 49_979_274, id="largest of the space"),
    ],
)
def test_published_parameter_counts(cell, count):
    assert parameters(cell) == count


def test_parameter_counts_of_the_compact_table(data):
    table = np.load(data / "nasbench101" / "nasbench101.npz")
    rows = np.random.default_rng(0).choice(len(table["adj"]), 12, replace=False)
    for row in rows:
        cell = CellSpec.from_code(*(int(table[k][row]) for k in ("vertices", "adj", "ops")))
        assert parameters(cell) == table["params"][row]


def test_ten_logits_from_a_small_picture():
    network = NasBenchNetwork(INCEPTION, stem=8)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
