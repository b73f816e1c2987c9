import numpy as np
import pytest

from models.cell_spec import CONV1X1, CONV3X3, MAXPOOL3X3, CellSpec

INCEPTION = CellSpec.from_matrix(
    [
        [0, 1, 1, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    [CONV1X1, CONV3X3, CONV3X3, CONV3X3, MAXPOOL3X3],
)


def test_a_vertex_on_no_path_is_pruned():
    dangling = CellSpec.from_edges((CONV3X3, CONV1X1, MAXPOOL3X3), {(0, 1), (1, 4), (0, 2), (3, 4)})
    assert dangling.pruned() == CellSpec.from_edges((CONV3X3,), {(0, 1), (1, 2)})


@pytest.mark.parametrize(
    "ops, edges, reason",
    [
        pytest.param((CONV3X3,), {(0, 1)}, "cannot be reached", id="no path"),
        pytest.param(("conv5x5",), {(0, 1), (1, 2)}, "conv5x5", id="unknown operation"),
        pytest.param((CONV3X3,), {(0, 1), (1, 2), (2, 2)}, "lower to a higher", id="self loop"),
        pytest.param((CONV3X3,), {(0, 1), (1, 3)}, "lower to a higher", id="vertex outside"),
        pytest.param((CONV3X3,) * 6, {(i, i + 1) for i in range(7)}, "8 vertices", id="too many vertices"),
        pytest.param(
            (CONV3X3,) * 3,
            {(i, j) for j in range(5) for i in range(j)},
            "10 edges",
            id="too many edges",
        ),
    ],
)
def test_illegal_cells_are_named(ops, edges, reason):
    with pytest.raises(ValueError, match=reason):
        CellSpec.from_edges(ops, edges).validated()


def test_a_matrix_must_be_square_and_upper_triangular():
    with pytest.raises(ValueError, match="square"):
        CellSpec.from_matrix([[0, 1], [0]], [])
    with pytest.raises(ValueError, match="diagonal"):
        CellSpec.from_matrix([[0, 1], [1, 0]], [])


def test_isomorphic_cells_share_a_hash_and_an_op_changes_it():
    a = CellSpec.from_edges((CONV3X3, CONV1X1), {(0, 1), (0, 2), (1, 3), (2, 3)})
    b = CellSpec.from_edges((CONV1X1, CONV3X3), {(0, 1), (0, 2), (1, 3), (2, 3)})
    c = CellSpec.from_edges((CONV1X1, CONV1X1), {(0, 1), (0, 2), (1, 3), (2, 3)})
    assert a.hash() == b.hash() != c.hash()


def test_the_code_of_the_compact_table_is_read_bit_by_bit():
    cell = CellSpec.from_code(vertices=4, adj=0b101011, ops=3 * 2 + 1)
    assert cell.edges == {(0, 1), (0, 2), (0, 3), (2, 3)}
    assert cell.ops == (MAXPOOL3X3, CONV1X1)


def test_the_published_hash_of_a_measured_cell():
    assert CellSpec.from_code(7, 1101347, 99).hash().startswith("02e5a024")


def test_hashes_of_all_small_cells_are_distinct_and_of_known_number(data):
    table = np.load(data / "nasbench101" / "nasbench101.npz")
    small = np.flatnonzero(table["vertices"] <= 5)
    codes = zip(*(table[k][small].tolist() for k in ("vertices", "adj", "ops")), strict=True)
    assert len({CellSpec.from_code(*code).hash() for code in codes}) == 1 + 6 + 84 + 2441
