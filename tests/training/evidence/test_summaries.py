import numpy as np
import pytest

from training.evidence import batch_rules, growth
from training.evidence.batch_rules import phase_of, summarise
from training.evidence.learners import CHARACTERS, library_text
from training.schedule.plan import make_plan, updates


def line(row, batch, seed, accuracy, diverged=False):
    points = range(1, len(accuracy) + 1)
    return {
        "row": row,
        "batch": batch,
        "seed": seed,
        "accuracy": accuracy,
        "diverged": diverged,
        "peak_lr": 0.1,
        "updates": 30,
        "update": [10 * i for i in points],
        "at_seconds": [float(i) for i in points],
    }


def test_the_way_is_to_the_worst_seed_of_the_base():
    lines = [
        line("base", 8, 0, [0.1, 0.4, 0.5]),
        line("base", 8, 1, [0.1, 0.3, 0.4]),
        line("legw", 16, 0, [0.37, 0.4, 0.3]),
        line("legw", 16, 1, [0.2, 0.2, 0.2]),
        line("none", 16, 0, [], diverged=True),
        line("none", 16, 1, [0.1, 0.1, 0.1]),
    ]
    document = summarise(lines)
    assert document["base_accuracy"] == 0.4
    assert document["rows"]["legw"]["16"]["to"]["1.0"] == [{"updates": 20, "seconds": 2.0}, None]
    assert document["rows"]["none"]["16"]["accuracy"] == [0.0, 0.1]
    assert document["rows"]["legw"]["16"]["to"]["0.9"] == [{"updates": 10, "seconds": 1.0}, None]
    table = batch_rules.table_of(document)[1 : 1 + len(batch_rules.TITLES)]
    cells = {row[0]: row[1:] for row in table}
    assert cells[batch_rules.TITLES["legw"]] == ["45.0 ± 7.1", "25.0 ± 7.1"]
    assert cells[batch_rules.TITLES["tuned_lars"]] == ["–", "–"]


def test_legw_keeps_the_updates_of_the_warm_up_and_the_others_its_samples():
    plans = {rule: make_plan(phase_of(20_480, 128, 0.1, rule), 10_000) for rule in batch_rules.RULES}
    assert {rule: plan.warmup_samples for rule, plan in plans.items()} == {
        "legw": 1280,
        "sqrt": 80,
        "linear": 80,
        "none": 80,
    }
    assert [plans[rule].lr for rule in batch_rules.RULES] == pytest.approx([0.4, 0.4, 1.6, 0.1])


def test_updates_of_the_ways_to_grow():
    count = {
        way: sum(1 for _ in updates(make_plan(growth.phase_of("momentum", 0.1, **changed), growth.N)))
        for way, changed in {"decay": {}, "growth": {"growth": True}, **growth.VARIANTS}.items()
    }
    # 30,000 samples at 32, 30,000, 20,000 and 20,000 at up to 160, 800 and 992, the multiple of 32 below N/10
    assert count["decay"] == 3125
    assert abs(count["hybrid"] - (30_000 / 32 + 70_000 / 160)) < 2
    assert abs(count["growth"] - (30_000 / 32 + 30_000 / 160 + 20_000 / 800 + 20_000 / 992)) < 2
    assert count["growth, rate × 5, momentum .98"] < count["growth, rate × 5"] < count["growth"] / 3


def test_differences_above_and_below_the_decay_do_not_cancel():
    def row(losses):
        curves = [[x + seed for x in losses] for seed in (-1, 0, 1)]
        return {"updates": 9, "final": [0.5] * 3, "loss": curves, "train_loss": [c[::-1] for c in curves]}

    rows = {f"SGD|{way}": row(x) for way, x in {"decay": [4, 4, 4], "growth": [4, 7, 1]}.items()}
    rows["SGD|other"] = {**row([1]), "loss": [[1.0]]}
    decay = rows["SGD|decay"]
    for each in rows.values():
        each["apart"] = growth.apart(each, decay)
    same = {"mean": 2.0, "largest": 3.0, "sd": 1.0}
    assert rows["SGD|growth"]["apart"] == {"loss": same, "train_loss": same}
    cells = {line[1]: line[5:] for line in growth.table_of({"rows": rows})}
    assert cells["decay"] == ["–", "–", "1.000"] * 2
    assert cells["growth"] == ["2.000", "3.000", "1.000"] * 2
    assert cells["other"] == ["–"] * 6


@pytest.mark.parametrize("rate, edge", [(0.01, "lowest"), (0.03, None), (0.1, "highest")])
def test_a_rate_at_the_end_of_its_grid_is_said(rate, edge):
    assert growth.on_edge(rate, (0.01, 0.03, 0.1)) == edge


def test_the_text_is_printable_and_always_the_same():
    text = library_text()
    assert text.min() >= 0 and text.max() < CHARACTERS
    assert np.array_equal(text, library_text.__wrapped__())
    assert np.bincount(text.ravel(), minlength=CHARACTERS)[0] / text.size > 0.1  # blanks
