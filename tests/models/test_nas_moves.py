import numpy as np
import pytest

from models.cell_spec import CONV1X1, CONV3X3, MAXPOOL3X3, CellSpec
from models.nas.moves import edit_distance, mutate, neighbours, random_cell
from models.nas.space import canonical

LINE = CellSpec.from_edges((CONV3X3,), {(0, 1), (1, 2)})


def test_neighbours_of_a_small_cell_by_hand():
    """Two other operations, the shortcut, and a second vertex in or beside the line."""
    around = neighbours(LINE)
    codes = {canonical(c) for c in around}
    assert len(codes) == len(around)
    ops = [CellSpec.from_edges((op,), {(0, 1), (1, 2)}) for op in (CONV1X1, MAXPOOL3X3)]
    shortcut = CellSpec.from_edges((CONV3X3,), {(0, 1), (1, 2), (0, 2)})
    beside = CellSpec.from_edges((CONV3X3, CONV1X1), {(0, 1), (1, 3), (0, 2), (2, 3)})
    for expected in (*ops, shortcut, beside):
        assert canonical(expected) in codes
    assert canonical(LINE) not in codes


def test_an_edit_can_be_taken_back():
    rng = np.random.default_rng(0)
    for _ in range(5):
        cell = random_cell(rng)
        other = mutate(cell, rng)
        if len(cell.pruned().edges) - len(other.edges) in (-2, -1, 0, 1):
            assert canonical(cell) in {canonical(c) for c in neighbours(other)}


def test_random_cells_are_legal_and_pruned():
    """Most draws of seven vertices prune to fewer: the published sampler is far from uniform."""
    rng = np.random.default_rng(0)
    cells = [random_cell(rng) for _ in range(200)]
    assert all(cell == cell.validated() for cell in cells)
    assert {3, 4, 5, 6} <= {cell.vertices for cell in cells}


@pytest.mark.parametrize(
    "a, b, distance",
    [
        pytest.param(LINE, LINE, 0, id="same"),
        pytest.param(LINE, CellSpec.from_edges((CONV1X1,), {(0, 1), (1, 2)}), 1, id="an operation"),
        pytest.param(LINE, CellSpec.from_edges((CONV3X3,), {(0, 1), (1, 2), (0, 2)}), 1, id="an edge"),
        pytest.param(
            LINE, CellSpec.from_edges((CONV3X3, CONV3X3), {(0, 1), (1, 2), (2, 3)}), 4, id="a vertex in line"
        ),
    ],
)
def test_edit_distance(a, b, distance):
    assert edit_distance(a, b) == edit_distance(b, a) == distance


def test_isomorphic_cells_are_at_no_distance():
    a = CellSpec.from_edges((CONV3X3, CONV1X1), {(0, 1), (0, 2), (1, 3), (2, 3)})
    b = CellSpec.from_edges((CONV1X1, CONV3X3), {(0, 1), (0, 2), (1, 3), (2, 3)})
    assert edit_distance(a, b) == 0
