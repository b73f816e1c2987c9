import re
from dataclasses import replace

import numpy as np
import pytest

from tracker.budget import parse_budget
from tracker.errors import BudgetError


@pytest.mark.parametrize(
    "text, taus",
    [
        pytest.param(None, (0.5, 0.5, 0.5), id="the calibrated default"),
        pytest.param("full", (1, 1, 1), id="full"),
        pytest.param("FULL", (1, 1, 1), id="any case"),
        pytest.param("depth:1", (0, 0, 0), id="depth 1"),
        pytest.param("depth:3", (1, 1, 0), id="depth 3"),
        pytest.param("depth:4", (1, 1, 1), id="depth 4 is full"),
    ],
)
def test_thresholds(manifest, text, taus):
    assert parse_budget(text, manifest).taus() == taus


@pytest.mark.parametrize(
    "text, reason",
    [
        pytest.param("depth:5", "depths 1 to 4", id="too deep"),
        pytest.param("depth:0", "depths 1 to 4", id="depth zero"),
        pytest.param("0.001GMAC", "least possible", id="below depth 1"),
        pytest.param("5ms", "not yet", id="a time"),
        pytest.param("60fps", "not yet", id="a rate"),
        pytest.param("60%", "not yet", id="a share"),
        pytest.param(".5ms", "not yet", id="a time without a zero"),
        pytest.param("5ms!", "not yet", id="a deadline"),
        pytest.param("auto", "not yet", id="auto"),
        pytest.param("fast", "expected one of full, depth:K", id="nonsense"),
        pytest.param("", "expected one of full, depth:K", id="empty"),
        pytest.param("none", "leave it out for the calibrated default", id="none is no word of it"),
        pytest.param(".GMAC", "expected one of full, depth:K", id="no digit"),
        pytest.param("-1GMAC", "expected one of full, depth:K", id="negative"),
    ],
)
def test_wrong_budgets_are_answered(manifest, text, reason):
    with pytest.raises(BudgetError, match=reason):
        parse_budget(text, manifest)


@pytest.mark.parametrize("text", ["0.05GMAC", ".05GMAC", "0.050gmac"])
def test_macs_are_written_in_any_usual_way(manifest, text):
    assert parse_budget(text, manifest)._budget == pytest.approx(0.05e9)


def test_what_a_refusal_offers_is_accepted(manifest):
    with pytest.raises(BudgetError) as refusal:
        parse_budget("warp", manifest)
    offered = re.search(r"one of (.+?) \(not yet held: (.+?)\)", str(refusal.value))
    for text in offered[1].split(", "):
        parse_budget(text.replace("K", "1"), manifest)
    for text in offered[2].split(", "):
        with pytest.raises(BudgetError, match="not yet held"):
            parse_budget(text, manifest)


@pytest.mark.parametrize("budget", [0.012, 0.02, 0.05, 0.07])
def test_the_mean_of_macs_meets_the_budget(manifest, budget):
    """Frames of random difficulty; the mean after 600 of them is within 5 % of what was asked for."""
    rng = np.random.default_rng(0)
    policy = parse_budget(f"{budget}GMAC", manifest)
    spent = []
    for _ in range(600):
        gates, taus = rng.random(3), policy.taus()
        depth = next((k for k, tau in enumerate(taus, start=1) if gates[k - 1] > tau), 4)
        exits = [(10, 8)[taus[0] >= 1], (10, 8)[taus[1] >= 1], (20, 15)[taus[2] >= 1]][: depth - 1]
        spent.append(1e6 * (sum(exits) + (10, 10, 20, 40)[depth - 1]))
        policy.took(spent[-1])
    assert np.mean(spent) == pytest.approx(budget * 1e9, rel=0.05)


def test_a_generous_budget_is_full_depth(manifest):
    assert parse_budget("1GMAC", manifest).taus() == (1.0, 1.0, 1.0)


def test_without_a_table_a_macs_budget_still_knows_depth_one(manifest):
    assert parse_budget("0.05GMAC", replace(manifest, table=())).taus() == (0.0, 0.0, 0.0)
