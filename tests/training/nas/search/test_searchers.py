"""Searchers on a landscape whose best cell is known, and the rules that each is made of."""

from itertools import islice

import numpy as np
import pytest

from models.nas.features import parameters
from models.nas.raw_index import ILLEGAL, raw_index
from models.nas.space import enumerate_space
from tracker.errors import TrackerError
from training.nas.benchmark.landscape import Landscape
from training.nas.search.compare import WITHOUT_MODEL, compare, search
from training.nas.search.searchers import (
    FULL,
    PAIRS,
    Hyperband,
    LocalSearch,
    Mutations,
    Raw,
    RegularisedEvolution,
    random_cells,
)


@pytest.fixture(scope="module")
def hill():
    """More parameters are better, nothing is luck, and every training takes 1,000 seconds at 108 epochs."""
    space = enumerate_space()
    height = np.log(parameters(space, np.arange(len(space))))
    value = np.repeat(((height - height.min()) / np.ptp(height) * 2 + 1)[:, None], 4, 1).astype(np.float32)
    seconds = np.tile(np.array([37, 111, 333, 1000], np.float32), (len(space), 1))
    return Landscape(value, np.zeros(4), seconds, np.zeros(len(space), bool))


def test_random_cells_are_legal_and_repeat_with_their_seed():
    first, again = (list(islice(random_cells(np.random.default_rng(3)), 500)) for _ in range(2))
    assert first == again and len(set(first)) > 450
    assert all(raw_index().row(*raw) != ILLEGAL for raw in first)


def test_a_mutant_changes_one_edge_in_seven_and_one_operation_in_five():
    rng = np.random.default_rng(0)
    parent = next(random_cells(rng))
    mutations = Mutations(rng)
    children = [mutations.of(parent) for _ in range(2000)]
    flips = [(parent.adj ^ child.adj).bit_count() for child in children]
    changed = [sum(a != b for a, b in zip(parent.cell().ops, c.cell().ops, strict=True)) for c in children]
    assert np.mean(changed) == pytest.approx(1.0, abs=0.1)
    assert 1.0 < np.mean(flips) < PAIRS / 7 + 0.2, "illegal children are drawn again, which favours few flips"


def test_evolution_forgets_the_oldest():
    searcher = RegularisedEvolution(np.random.default_rng(0), population=3, sample=3)
    told = []
    for k in range(3):
        raw, _ = searcher.ask()
        told.append(raw)
        searcher.tell(raw, FULL, 1.0 - 0.1 * k)
    parents = []
    searcher._mutations.of = lambda raw: parents.append(raw) or Raw(1 << 15, 0)
    for _ in range(6):
        searcher.ask()
    assert told[0] in parents, "the fittest of the population is a parent"
    parents.clear()
    searcher.tell(Raw(1 << 15, 0), FULL, 0.0)
    for _ in range(20):
        searcher.ask()
    assert told[0] not in parents, "the fittest was the oldest, and died"


def test_local_search_climbs_by_single_edits_to_a_peak(hill):
    rng = np.random.default_rng(1)
    searcher, row_of = LocalSearch(rng), raw_index().row
    centre, first_peak = None, None
    for _ in range(3000):
        raw, epochs = searcher.ask()
        if searcher._centre is None and centre is not None:
            first_peak = centre
            break
        centre = searcher._centre or centre
        if searcher._centre is not None:
            flipped = (raw.adj ^ centre[1].adj).bit_count()
            replaced = sum(a != b for a, b in zip(raw.cell().ops, centre[1].cell().ops, strict=True))
            assert flipped + replaced == 1
        searcher.tell(raw, epochs, hill.draw(row_of(*raw), 3, rng)[0])
    assert first_peak is not None
    value = hill.value[row_of(*first_peak[1]), 3]
    around = [row_of(*raw) for raw in LocalSearch(rng)._around(first_peak[1])]
    assert value >= hill.value[around, 3].max(), "no neighbour of a peak is higher"


def test_local_search_leaves_a_cell_without_neighbours():
    searcher = LocalSearch(np.random.default_rng(0))
    alone = Raw(1 << 15, 0)  # input → output alone: every edit is pruned away or illegal
    assert searcher._around(alone) == []
    searcher._best = 0.5, alone
    raw, _ = searcher.ask()
    assert raw_index().row(*raw) != ILLEGAL


def test_hyperband_halves_as_published():
    searcher = Hyperband(random_cells(np.random.default_rng(0)))
    asked = []
    for _ in range(27 + 9 + 3 + 1 + 12 + 4 + 1 + 6 + 2 + 4):
        raw, epochs = searcher.ask()
        asked.append((epochs, raw))
        searcher.tell(raw, epochs, raw.adj / (1 << PAIRS))
    counts = [sum(e == epochs for e, _ in asked[:40]) for epochs in (4, 12, 36, 108)]
    assert counts == [27, 9, 3, 1]
    first = sorted(raw.adj for _, raw in asked[:27])
    assert sorted(raw.adj for _, raw in asked[27:36]) == first[-9:], "the best third goes on"
    assert [e for e, _ in asked[40:]] == [12] * 12 + [36] * 4 + [108] + [36] * 6 + [108] * 2 + [108] * 4


@pytest.mark.parametrize("name", WITHOUT_MODEL)
def test_regret_never_rises_without_luck_and_a_seed_repeats(hill, name):
    trace, again = search(name, hill, 4e5, 7), search(name, hill, 4e5, 7)
    assert (np.diff(trace.regret[1:]) <= 1e-9).all() and trace.regret[-1] >= 0
    assert np.array_equal(trace.seconds, again.seconds) and np.array_equal(trace.regret, again.regret)
    assert trace.seconds[-1] < 4e5 + 1000


@pytest.mark.parametrize("name", ["evolution", "local"])
def test_climbers_beat_chance_on_a_hill(hill, name):
    chance = np.mean([search("random", hill, 3e5, seed).regret[-1] for seed in range(5)])
    climber = np.mean([search(name, hill, 3e5, seed).regret[-1] for seed in range(5)])
    assert climber < chance


@pytest.mark.parametrize("name", ["tpe", "bohb", "predictor", pytest.param("smac", marks=pytest.mark.slow)])
def test_searchers_with_a_model_ask_and_learn(hill, name):
    pytest.importorskip({"smac": "smac", "predictor": "sklearn"}.get(name, "optuna"))
    trace = search(name, hill, 2.4e4 if name == "bohb" else 6e4, 1)
    assert trace.asked >= 60 and 0 <= trace.regret[-1] < 20


def test_a_comparison_writes_curves_and_names_an_unknown_searcher(hill, tmp_path):
    document = compare(hill, {"random": (3, 2e4), "evolution": (2, 1e4)}, 1, tmp_path, "a hill")
    row = document["searchers"]["random"]
    assert row["seeds"] == 3 and all(len(q) == len(row["mean"]) for q in row["quantiles"].values())
    assert row["quantiles"]["0.5"] == sorted(row["quantiles"]["0.5"], reverse=True)
    assert (tmp_path / "compare.json").is_file() and (tmp_path / "compare.png").is_file()
    assert document["table"][1][:2] == ["random search", "3"] and document["table"][1][-2] == "–"
    with pytest.raises(TrackerError, match="'chance', expected one of random"):
        compare(hill, {"chance": (1, 1e4)}, 1, tmp_path, "a hill")
