from itertools import permutations

import numpy as np
import pytest

from models.cell_spec import OPS, CellSpec
from models.nas.space import canonical, enumerate_space

COUNTS = {2: 1, 3: 6, 4: 84, 5: 2_441, 6: 62_010, 7: 359_082}


@pytest.fixture(scope="module")
def space():
    return enumerate_space()


def test_published_counts(space):
    assert len(space) == 423_624
    assert dict(enumerate(np.bincount(space.vertices)[2:], start=2)) == COUNTS


def test_it_is_the_compact_table_row_by_row(space, data):
    table = np.load(data / "nasbench101" / "nasbench101.npz")
    for column in ("vertices", "adj", "ops"):
        assert np.array_equal(getattr(space, column), table[column])


def test_small_cells_by_brute_force_over_the_published_hash(space):
    """Every legal matrix of four vertices with every labelling: as many hashes as the space has cells."""
    hashes = set()
    for adj in range(1 << 6):
        for ops in range(9):
            try:
                cell = CellSpec.from_code(4, adj, ops).validated()
            except ValueError:
                continue
            if cell.vertices == 4:
                hashes.add(cell.hash())
    ours = {space[i].hash() for i in np.flatnonzero(space.vertices == 4)}
    assert hashes == ours and len(ours) == 84


def test_every_relabelling_has_one_canonical_code(space):
    rng = np.random.default_rng(0)
    for row in rng.choice(len(space), 60, replace=False):
        cell = space[int(row)]
        orders = list(permutations(range(1, cell.output)))
        for order in (orders[i] for i in rng.choice(len(orders), min(8, len(orders)), replace=False)):
            place = {0: 0, cell.output: cell.output, **{old: new for new, old in enumerate(order, start=1)}}
            edges = {(place[i], place[j]) for i, j in cell.edges}
            if all(i < j for i, j in edges):
                other = CellSpec.from_edges((cell.ops[old - 1] for old in order), edges)
                assert space.index(other) == row
                assert other.hash() == cell.hash()


def test_an_index_prunes_and_refuses(space):
    dangling = CellSpec.from_edges((OPS[0], OPS[1]), {(0, 1), (1, 3), (0, 2)})
    assert space[space.index(dangling)] == CellSpec.from_edges((OPS[0],), {(0, 1), (1, 2)})
    with pytest.raises(ValueError, match="cannot be reached"):
        canonical(CellSpec.from_edges((OPS[0],), {(0, 1)}))
