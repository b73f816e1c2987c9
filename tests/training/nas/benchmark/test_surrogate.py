"""The shipped surrogate on cells it has not seen, and the benchmark that is sampled around it."""

import numpy as np
import pytest
from scipy.stats import spearmanr

import training.nas.benchmark.surrogate as room
from models.nas.features import parameters
from models.nas.space import enumerate_space
from training.nas.benchmark.landscape import (
    BEST_OF_THREE,
    BEST_OF_THREE_VARIANCE,
    as_published,
    make_landscape,
)
from training.nas.benchmark.surrogate import load_surrogate
from training.nas.benchmark.table import Table, TableError, load_others, load_table, logged


@pytest.fixture(scope="module")
def surrogate():
    return load_surrogate()


def test_best_of_three_normal_numbers():
    draws = np.random.default_rng(0).standard_normal((400_000, 3)).max(1)
    assert draws.mean() == pytest.approx(BEST_OF_THREE, abs=0.005)
    assert draws.var() == pytest.approx(BEST_OF_THREE_VARIANCE, abs=0.005)


def test_the_shipped_scores_meet_the_target(surrogate):
    held_out = surrogate.scores["held_out"]
    assert held_out["spearman"]["108"] >= 0.97 and held_out["spearman_108_top_tenth"] >= 0.70


def test_cells_of_others_are_ranked_as_they_measured(surrogate, data):
    path = data / "nasbench101" / "nasbench101.npz"
    table = load_table(path)
    for name, (rows, values) in load_others(path).items():
        new = ~np.isin(rows, table.rows)
        guess = surrogate.predict(table.space, rows[new])[0]
        assert spearmanr(guess[:, 3], values[new, 3])[0] > 0.95, name


def test_a_prediction_does_not_depend_on_its_company_or_labelling(surrogate):
    space = enumerate_space()
    rows = np.array([19554, 5, 400_000])
    together = surrogate.predict(space, rows)[0]
    alone = np.concatenate([surrogate.predict(space, rows[i : i + 1])[0] for i in range(3)])
    assert together == pytest.approx(alone, abs=1e-5)


def test_a_fit_of_a_few_cells_learns_and_comes_back_from_its_file(tmp_path, monkeypatch):
    for name, value in (("PASSES", 40), ("BATCH", 32), ("MEMBERS", 1), ("FOLDS", 2)):
        monkeypatch.setattr(room, name, value)
    space = enumerate_space()
    drawn = np.random.default_rng(0).choice(len(space), 200, replace=False)
    rows, unseen = np.sort(drawn[:160]), drawn[160:]
    height = np.log(parameters(space, drawn))
    known = dict(zip(drawn.tolist(), 0.5 + 0.4 * (height - height.min()) / np.ptp(height), strict=True))
    accuracy = np.array([known[row] for row in rows.tolist()])
    four = np.repeat(accuracy[:, None, None], 4, 1)
    table = Table(space, rows, four, 1000 * four, {})
    others = {"CLUE": (unseen, np.repeat(np.array([[known[row]] for row in unseen.tolist()]), 4, 1))}
    scores = room.fit_surrogate(table, others, 0.01, tmp_path / "s.safetensors", jobs=1)
    assert scores["held_out"]["spearman"]["108"] > 0.9
    assert scores["external"]["CLUE"]["cells"] == 40 and scores["external"]["CLUE"]["spearman"]["108"] > 0.9
    again = load_surrogate(tmp_path / "s.safetensors")
    assert spearmanr(again.predict(space, rows)[0][:, 3], accuracy)[0] > 0.95
    assert again.luck[-1] == 0.01


def test_a_file_that_is_no_surrogate_is_named(tmp_path):
    (tmp_path / "s.safetensors").write_bytes(b"no")
    with pytest.raises(TableError, match="cannot be read .* fit one with search fit"):
        load_surrogate(tmp_path / "s.safetensors")


@pytest.mark.slow
def test_the_benchmark_looks_like_the_published_table(surrogate, data):
    table = load_table(data / "nasbench101" / "nasbench101.npz")
    landscape = make_landscape(surrogate, table)
    published = table.as_published()
    rest = np.random.default_rng(0).choice(np.flatnonzero(~landscape.measured), 30_000, replace=False)
    for rows in (table.rows, rest):
        drawn = as_published(landscape, rows)
        assert spearmanr(drawn)[0] == pytest.approx(spearmanr(published)[0], abs=0.07)
        quantiles = (0.05, 0.5, 0.95)
        assert np.quantile(drawn[:, 3], quantiles) == pytest.approx(
            np.quantile(published[:, 3], quantiles), abs=0.003
        )
    closer = abs(landscape.value[table.rows, 3] - logged(published[:, 3])).mean()
    assert closer < landscape.luck[3], "a measured cell stays near its measurement"
    rng = np.random.default_rng(1)
    draws = np.array([landscape.draw(int(table.rows[0]), 3, rng)[0] for _ in range(4000)])
    assert logged(draws).std() == pytest.approx(landscape.luck[3], rel=0.05)
