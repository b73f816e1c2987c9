import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.training.distributed.all_reduce_simulator import (
    Counts,
    simulate_ring,
    simulate_torus,
    simulate_tree,
)
from training.distributed.cost_model import (
    Cost,
    Link,
    exposed_seconds,
    fit,
    ring_cost,
    torus_cost,
    tree_cost,
    update_seconds,
    worst_error,
)
from training.evidence import all_reduce

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "found, steps, sent, link",
    [
        pytest.param(ring_cost(4, 1000), 6, 6000, 6000, id="ring of 4: 3 + 3 steps of 250 floats"),
        pytest.param(ring_cost(3, 10), 4, 64, 64, id="ring of 3, padded from 10 to 12 floats"),
        pytest.param(ring_cost(1, 10), 0, 0, 0, id="ring of one"),
        # each half of 8 floats: 16 bytes once, 8 twice, 16 once
        pytest.param(torus_cost(2, 2, 16), 4, 96, 48, id="torus 2×2"),
        # along rows 8 8 | 4 4 | 8 8, along columns 12 | 4 4 4 4 | 12; in step: 12 8 | 4 4 4 4 | 12 8
        pytest.param(torus_cost(2, 3, 12), 8, 80, 56, id="torus 2×3"),
        pytest.param(torus_cost(3, 2, 12), 8, 80, 56, id="torus 3×2 is 2×3 on its side"),
        pytest.param(torus_cost(32, 32, 2048), 124, 4 * 1023 * 4, 2 * 1023 * 4, id="the pod's 32×32"),
        pytest.param(tree_cost(5, 10), 6, 120, 240, id="tree of 5: three levels"),
        pytest.param(tree_cost(8, 10, 2), 6, 60, 120, id="tree of 8, two bytes an element"),
        pytest.param(tree_cost(1, 10), 0, 0, 0, id="tree of one"),
    ],
)
def test_costs_counted_by_hand(found, steps, sent, link):
    assert found == Cost(steps, sent, link)


def agree(counts: Counts, cost: Cost) -> bool:
    return (
        counts.complete
        and counts.steps == cost.steps
        and int(counts.sent_bytes.max()) == cost.sent_bytes
        and counts.link_bytes == cost.link_bytes
    )


@pytest.mark.parametrize("elements", [1, 7, 997, 5040])
@pytest.mark.parametrize(
    "rows, columns", [(1, 1), (1, 4), (4, 1), (2, 2), (2, 3), (3, 2), (3, 3), (4, 8), (5, 7)]
)
def test_simulated_torus_equals_its_formula_on_every_rank(rows, columns, elements):
    counts, cost = simulate_torus(rows, columns, elements), torus_cost(rows, columns, elements)
    assert agree(counts, cost)
    assert (counts.sent_bytes == cost.sent_bytes).all()


@pytest.mark.parametrize("elements", [1, 7, 997, 5040])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 6, 9, 16, 33])
def test_simulated_ring_and_tree_equal_their_formulas(ranks, elements):
    assert agree(simulate_ring(ranks, elements), ring_cost(ranks, elements))
    assert (simulate_ring(ranks, elements).sent_bytes == ring_cost(ranks, elements).sent_bytes).all()
    tree = simulate_tree(ranks, elements)
    assert agree(tree, tree_cost(ranks, elements))
    assert tree.sent_bytes.sum() == 2 * (ranks - 1) * elements * 4


@pytest.mark.slow
@pytest.mark.parametrize("rows, columns", [(64, 64), (32, 128)])
def test_simulated_4096_ranks_equal_the_formulas(rows, columns):
    elements = 25_557_032  # ResNet-50's parameters
    assert agree(simulate_torus(rows, columns, elements), torus_cost(rows, columns, elements))
    assert agree(simulate_ring(4096, elements), ring_cost(4096, elements))
    assert agree(simulate_tree(4096, elements), tree_cost(4096, elements))


def test_a_lost_message_is_noticed(monkeypatch):
    import tests.training.distributed.all_reduce_simulator as simulator

    def lossy(rings, blocks):
        return list(simulator_all_gather(rings, blocks))[1:]

    simulator_all_gather = simulator._all_gather
    monkeypatch.setattr(simulator, "_all_gather", lossy)
    assert not simulate_ring(4, 8).complete


@pytest.mark.parametrize(
    "ready, seconds, backward, exposed",
    [
        pytest.param([1, 2, 3], [0.5, 2, 0.5], 3, 1.5, id="the second delays the third: ends at 4.5"),
        pytest.param([1, 2], [0.5, 0.5], 3, 0, id="all hidden"),
        pytest.param([3], [2], 3, 2, id="one bucket: nothing hidden"),
        pytest.param([], [], 3, 0, id="no bucket"),
    ],
)
def test_exposed_seconds(ready, seconds, backward, exposed):
    assert exposed_seconds(ready, seconds, backward) == pytest.approx(exposed)


def test_update_seconds_hide_all_buckets_but_the_last():
    # ready at .25 .5 .75 1 of a backward of 1 s; each takes .1 s: .1 s after the backward
    assert update_seconds(1.5, 1.0, [10, 10, 10, 10], lambda bytes_: bytes_ / 100) == pytest.approx(1.6)


STEPS = [2, 2, 2, 6, 6, 6]
SENT = [10**4, 10**6, 10**8, 10**4, 10**6, 10**8]


def test_fit_finds_the_link_that_made_the_times():
    true = Link(1e-4, 1e-9)
    found = fit(STEPS, SENT, [true.alpha * s + true.beta * b for s, b in zip(STEPS, SENT, strict=True)])
    assert (found.alpha, found.beta) == (pytest.approx(1e-4), pytest.approx(1e-9))


def test_fit_predicts_held_out_sizes_of_noisy_times_within_a_quarter():
    rng = np.random.default_rng(0)
    steps, sent = [6] * 9, [2**k for k in range(16, 25)]
    seconds = [(2e-4 * s + 1e-9 * b) * rng.uniform(0.95, 1.05) for s, b in zip(steps, sent, strict=True)]
    found = fit(steps[::2], sent[::2], seconds[::2])
    assert worst_error(found, steps[1::2], sent[1::2], seconds[1::2]) < 0.25


def test_fit_never_goes_below_zero():
    # the line through (1, 1) and (2, 3) has α = −1; alone, β = Σ b/t / Σ (b/t)² = (5/3) / (13/9)
    found = fit([1, 1], [1, 2], [1, 3])
    assert (found.alpha, found.beta) == (0, pytest.approx(15 / 13))


@pytest.mark.parametrize("seconds", [[1.0], [1.0, 0.0]])
def test_fit_refuses_what_is_no_measurement(seconds):
    with pytest.raises(ValueError, match="at least two, all above 0"):
        fit([1] * len(seconds), [1] * len(seconds), seconds)


def test_worst_error_is_relative_to_the_measurement():
    assert worst_error(Link(1, 0), [1, 1], [0, 0], [2.0, 0.8]) == pytest.approx(0.5)


@pytest.mark.slow
def test_measuring_two_processes_writes_numbers_and_a_picture(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(all_reduce, "PROCESSES", (2,))
    monkeypatch.setattr(all_reduce, "ELEMENTS", (1000, 2000, 4000, 8000))
    monkeypatch.setattr(all_reduce, "TIMEOUT_S", 60.0)
    all_reduce.main(["--out", str(tmp_path / "new" / "cost.json"), "--repeats", "3"])
    document = json.loads((tmp_path / "new" / "cost.json").read_text())
    (row,) = document["fits"]
    assert (row["algorithm"], row["processes"], row["held_out"]) == ("ring", 2, [False, True, False, True])
    assert row["alpha"] >= 0 and row["beta"] >= 0 and min(row["seconds"]) > 0
    assert all(a <= b for a, b in zip(row["seconds"], row["median_seconds"], strict=True))
    assert document["modelled"]["status"] == "modelled, not measured"
    assert (tmp_path / "new" / "cost.png").read_bytes().startswith(b"\x89PNG")
    assert "held-out sizes" in capsys.readouterr().out


@pytest.mark.slow
def test_the_command_of_the_docstring_has_help():
    command = [sys.executable, "-m", "training.evidence.all_reduce", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--out FILE.json" in done.stdout, done.stderr
