"""Columns of all cells against the module, the compact table, and walks over the graphs."""

from itertools import product

import numpy as np
import pytest

from models.cell import vertex_channels
from models.cell_spec import OPS
from models.nas.features import arrays, features, longest_path, parameters, widths
from models.nas.space import enumerate_space

ROWS = np.random.default_rng(5).integers(0, 423_624, 60)


@pytest.fixture(scope="module")
def space():
    return enumerate_space()


def paths(cell, v=0):
    """Tuples of operation numbers from vertex v to the output, one a path."""
    for j in cell.targets(v):
        if j == cell.output:
            yield ()
        else:
            yield from ((OPS.index(cell.ops[j - 1]), *rest) for rest in paths(cell, j))


def test_parameters_of_every_cell_are_the_published_ones(space, data):
    published = np.load(data / "nasbench101" / "nasbench101.npz")["params"]
    assert np.array_equal(parameters(space, np.arange(len(space))), published)


def test_the_range_of_parameters(space):
    counts = parameters(space, np.arange(len(space)))
    assert (counts.min(), counts.max()) == (227_274, 49_979_274)


@pytest.mark.parametrize("cout", [128, 96, 7])
def test_widths_are_those_of_the_module(space, cout):
    found = widths(*arrays(space, ROWS), cout)
    for row, channels in zip(ROWS, found, strict=True):
        cell = space[row]
        assert channels[1 : cell.output].tolist() == vertex_channels(3, cout, cell)[1:-1]
        assert not channels[cell.output :].any() and channels[0] == 0


def test_longest_paths_by_walking_all(space):
    for weights in ([1, 1, 1], [1, 0, 0], [-1, -1, -1], [0.5, 0, 2]):
        found = longest_path(*arrays(space, ROWS), np.array(weights, float))
        walked = [max(sum(weights[k] for k in path) for path in paths(space[r])) for r in ROWS]
        assert found.tolist() == pytest.approx(walked)


def test_strings_of_paths_by_walking_all(space):
    values, names = features(space, ROWS)
    assert np.isfinite(values).all() and len(set(names)) == values.shape[1]
    for row, seen in zip(ROWS, values, strict=True):
        all_paths = list(paths(space[row]))
        assert seen[names.index("paths")] == len(all_paths)
        assert seen[names.index("paths direct")] == all_paths.count(())
        for string in product(range(3), repeat=2):
            assert seen[names.index(f"paths {string[0]}-{string[1]}")] == all_paths.count(string)


def test_edges_by_the_labels_at_their_ends(space):
    values, names = features(space, ROWS)
    of_edges = [i for i, name in enumerate(names) if name.startswith("edges ")]
    assert (values[:, of_edges].sum(1) == values[:, names.index("edges")]).all()
