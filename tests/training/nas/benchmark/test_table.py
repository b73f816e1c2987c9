import json

import numpy as np
import pytest

from models.cell_spec import CONV3X3, CellSpec
from training.nas.benchmark.open import open_table
from training.nas.benchmark.table import (
    EPOCHS,
    TableError,
    load_others,
    load_table,
    logged,
    repeat_noise,
    unlogged,
)


@pytest.fixture(scope="module")
def table(data):
    return load_table(data / "nasbench101" / "nasbench101.npz")


def test_every_measured_row_comes_back_exactly(table, data):
    file = np.load(data / "nasbench101" / "nasbench101.npz")
    rng = np.random.default_rng(0)
    for i in rng.choice(len(table), 500, replace=False):
        cell = table.space[int(file["vis_index"][i])]
        for e, epochs in enumerate(EPOCHS):
            assert table.peek(cell, epochs).accuracy == file["vis_val"][i, e] / 9984
        assert table.peek(cell).seconds == pytest.approx(float(file["vis_time108"][i]))
    assert len(table) == 30_001


def test_any_labelling_of_a_cell_finds_it(table):
    row = int(table.rows[np.flatnonzero(table.space.vertices[table.rows] == 6)[0]])
    cell = table.space[row]
    swapped = CellSpec(
        cell.vertices + 1, frozenset((i + (i > 0), j + (j > 0)) for i, j in cell.edges), (CONV3X3, *cell.ops)
    )
    assert table.peek(swapped) == table.peek(cell), "a dangling vertex is pruned"


def test_numbers_say_what_they_are(table):
    cell = table.space[int(table.rows[0])]
    assert table.peek(cell).kind == "best of three repeats"
    assert table.peek(cell, 12).kind == "single repeat"


def test_seconds_of_short_trainings_by_the_fitted_line(table):
    cell = table.space[int(table.rows[7])]
    assert table.peek(cell, 4).seconds == pytest.approx(13.5 + 0.0387 * table.peek(cell).seconds)


def test_unmeasured_and_illegal_cells_are_named(table, tmp_path):
    measured = set(table.rows.tolist())
    free = next(i for i in range(len(table.space)) if i not in measured)
    with pytest.raises(TableError, match="not among the 30001 measured"):
        table.peek(table.space[free])
    with pytest.raises(TableError, match="cannot be reached"):
        table.peek(CellSpec.from_edges((CONV3X3,), {(0, 1)}))
    with pytest.raises(TableError, match="foo"):
        table.peek(CellSpec.from_edges((CONV3X3, "foo"), {(0, 1), (1, 2), (2, 3)}))
    with pytest.raises(TableError, match="got 5 epochs"):
        table.peek(table.space[int(table.rows[0])], 5)
    with pytest.raises(TableError, match="cannot be read"):
        load_table(tmp_path / "none.npz")


def test_our_own_trainings_are_a_table(tmp_path):
    file = tmp_path / "own.jsonl"
    network = {"stem": 16, "cells": 1, "epochs": 4}
    for row, repeat, accuracy in ((9, 0, 0.5), (9, 1, 0.6), (3, 0, 0.4)):
        line = {"row": row, "repeat": repeat, "accuracy": accuracy, "seconds": 10.0, "network": network}
        with file.open("a") as lines:
            lines.write(json.dumps(line) + "\n")
    own = open_table(file)
    assert own.rows.tolist() == [3, 9]
    assert own.peek(own.space[9], 4).accuracy == pytest.approx(0.55)
    assert own.peek(own.space[9], 4).kind == "mean of 2 repeats"
    assert own.peek(own.space[3], 4).kind == "mean of 1 repeats"
    with pytest.raises(TableError, match="no 108 epochs, only 4"):
        own.peek(own.space[9])
    assert own.repeats(own.space[9], 4) == [(0.5, 10.0), (0.6, 10.0)]
    file.write_text("{}\n")
    with pytest.raises(TableError, match="expected lines of search measure"):
        open_table(file)
    with pytest.raises(TableError, match="expected a file .npz"):
        open_table(tmp_path / "table.csv")


def test_others_and_the_noise_of_repeats(data):
    path = data / "nasbench101" / "nasbench101.npz"
    others = load_others(path)
    assert others["CLUE"][1].shape == (100, 4) and others["NASLib"][1].shape == (292, 4)
    with np.load(path) as file:
        seen = file["naslib_val108"]
    three = (seen != 65_535).all(1)
    logs = -np.log(1 - seen[three] / 9984)
    assert repeat_noise(path) == pytest.approx(np.sqrt(logs.var(1, ddof=1).mean()), rel=0.6)
    assert logged(unlogged(1.5)) == pytest.approx(1.5)
