import numpy as np
import pytest

from models.cell_spec import CellSpec
from models.nas.raw_index import ILLEGAL, OPS_CODES, raw_index
from models.nas.space import enumerate_space


@pytest.fixture(scope="module")
def index():
    return raw_index()


def test_rows_of_random_raw_cells_are_those_of_the_slow_way(index):
    space, rng = enumerate_space(), np.random.default_rng(0)
    legal = 0
    for adj, ops in zip(rng.integers(0, 1 << 21, 400), rng.integers(0, OPS_CODES, 400), strict=True):
        cell = CellSpec.from_code(7, int(adj), int(ops))
        try:
            expected = space.index(cell)
            legal += 1
        except ValueError:
            expected = ILLEGAL
        assert index.rows(adj, ops) == expected
    assert 50 < legal < 400


def test_every_cell_of_seven_vertices_finds_itself(index):
    space = enumerate_space()
    rows = np.flatnonzero(space.vertices == 7)
    assert np.array_equal(index.rows(space.adj[rows], space.ops[rows]), rows)


def test_every_cell_is_drawn_by_some_raw_one(index):
    """All 2²¹ adjacencies with one code of operations reach every graph of the space."""
    space = enumerate_space()
    found = np.unique(index.rows(np.arange(1 << 21), np.zeros(1 << 21, int)))
    all_conv3x3 = np.flatnonzero(space.ops == 0)
    assert np.array_equal(found[found != ILLEGAL], all_conv3x3)
