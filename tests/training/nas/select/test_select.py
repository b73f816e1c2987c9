"""Which designs are worth a look, and which one is chosen within a budget."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.nas.features import parameters
from models.nas.space import enumerate_space
from training.nas.search.design import Design
from training.nas.search.searchers import Raw
from training.nas.select.latency import StageCost
from training.nas.select.select import (
    Weighed,
    accuracy_and_features,
    described,
    document_of,
    expected,
    explore,
    front,
    macs_against_ms,
    small_and_accurate,
)

ROOT = Path(__file__).parents[4]


def design_of(entry):
    """Read a design back from what the search wrote of it."""
    choices = {name: entry[name] for name in ("scale", "early", "separable", "squeeze")}
    return Design(Raw(*entry["raw"]), depths=tuple(entry["depths"]), **choices)


def test_the_selected_network_is_what_the_search_wrote():
    from models.registry import NETWORKS, SELECTED

    space = enumerate_space()
    chosen = json.loads((ROOT / "docs/results/nas/select.json").read_text())["chosen"]
    assert SELECTED.hash() == "0f65f27b3520767e9114e4f6618d3344" == chosen["hash"]
    assert space.index(SELECTED) == 685 == chosen["row"]
    assert design_of(chosen).network(space) == NETWORKS["depthgate-n"]


def weighed(accuracy, scale, ms, macs=1_000_000):
    design = Design.of_row(0, scale=scale)
    return Weighed(design, accuracy, (StageCost(ms / 1e3, macs),), accuracy_and_features(design, accuracy))


def test_the_front_against_a_look_at_every_pair():
    rng = np.random.default_rng(1)
    many = [
        weighed(rng.integers(5) / 5, rng.choice([0.5, 1.0]), float(rng.integers(1, 6))) for _ in range(60)
    ]
    goods = [(w.accuracy, w.design.features(), -w.ms) for w in many]
    expected = [
        w
        for w, own in zip(many, goods, strict=True)
        if not any(all(a >= b for a, b in zip(o, own, strict=True)) and o != own for o in goods)
    ]
    assert front(many) == expected and front([]) == []


def test_cells_that_no_smaller_one_beats():
    space = enumerate_space()
    count = parameters(space, np.arange(len(space)))
    accuracy = np.random.default_rng(0).random(len(space))
    kept = small_and_accurate(accuracy, space)
    assert kept[-1] == int(accuracy.argmax())
    for n in np.quantile(count, np.linspace(0, 1, 40)):
        last = [row for row in kept if count[row] <= n][-1]
        assert accuracy[last] == accuracy[count <= n].max()


def test_macs_that_say_nothing_of_time():
    designs = [weighed(0.9, 0.5, ms, 1_000_000 + round(100 * ms)) for ms in (3.0, 1.0, 4.0, 2.0)]
    said = macs_against_ms([s for w in designs for s in w.stages], designs)
    assert said["slowest_over_fastest_at_equal_macs"] == 4.0
    assert said["gmac_per_s_of_stages"]["0.95"] == pytest.approx(0.925, abs=0.05)
    apart = [
        weighed(0.9, 0.5, ms, macs) for ms, macs in ((2.0, 1_000_000), (1.0, 2_000_000), (0.5, 4_000_000))
    ]
    said = macs_against_ms([s for w in apart for s in w.stages], apart)
    assert said["spearman_of_designs"] == -1.0 and said["slowest_over_fastest_at_equal_macs"] == 1.0


class Known:
    """Stage times from a formula: a search that measures nothing."""

    def of(self, network):
        return [StageCost(1e-5 * s.width * max(1, len(s.cells)), s.width) for s in network.stages]

    def save(self):
        pass


def test_a_search_finds_accurate_cells_within_the_budget():
    accuracy = np.linspace(0.5, 0.95, len(enumerate_space()))
    found = explore(accuracy, Known(), budget_ms=4.0, evaluations=200)
    late = [w.accuracy for w in found[60:]]
    assert np.mean(late) > np.mean([w.accuracy for w in found[:60]]), "children are of the front"
    entry = json.loads(json.dumps(described(found[0], enumerate_space())))
    assert design_of(entry) == found[0].design and entry["row"] == found[0].design.row


def test_a_fit_decides_what_is_chosen_within_the_budget():
    """Loss = 1 − .1 × doublings of the scale: the widest that fits."""
    names = ("constant", "cell", "scale, doublings", "cells a stage", "early", "separable", "squeeze")
    fitted = {"loss": {name: [0.0, 0.0] for name in names}}
    fitted["loss"] |= {"constant": [1.0, 0.0], "scale, doublings": [-0.1, 0.0]}
    accuracy = np.full(len(enumerate_space()), 0.9)
    found = explore(accuracy, Known(), 3.0, 120, expected(fitted, accuracy))
    chosen = document_of(found, 3.0, "a table", {})["chosen"]
    assert chosen["scale"] == max(w.design.scale for w in found if w.ms <= 3.0)
    assert chosen["merits"] == [pytest.approx(-1 + 0.1 * np.log2(chosen["scale"]), abs=1e-5)]
    apart = [weighed(0.9, 0.5, 1.0), weighed(0.8, 0.5, 2.0, 2_000_000)]
    assert "chosen" not in document_of(apart, 3.0, "a table", {})
