"""Rank agreement with intervals, seeds against cells, and paired realisations."""

import numpy as np
import pytest

from training.nas.measure.agree import (
    agreement,
    cells_of,
    fit,
    predicted_loss,
    realisations,
    spread_of_seeds,
)


def cells(published, ours):
    return {"published": published, "ours": [[value] for value in ours]}


def test_a_clear_order_is_resolved_and_chance_is_not():
    published = np.linspace(0.8, 0.95, 24).tolist()
    clear = agreement(cells(published, [p / 2 for p in published]))["spearman"]["accuracy"]
    assert clear["rho"] == 1.0 and clear["resolved"]
    noise = np.random.default_rng(3).random(24).tolist()
    chance = agreement(cells(published, noise))["spearman"]["accuracy"]
    assert chance["interval"][0] < chance["rho"] < chance["interval"][1] and not chance["resolved"]


def test_videos_that_contradict_each_other_widen_the_interval():
    published = np.linspace(0.8, 0.95, 24).tolist()
    agreeing = [{"a": p, "b": p} for p in published]
    torn = [{"a": p, "b": 0.9 - 1.1 * p} for p in published]
    widths = []
    for videos in (agreeing, torn):
        part = cells(published, [np.mean(list(v.values())) for v in videos]) | {"videos": videos}
        low, high = agreement(part)["spearman"]["accuracy"]["interval"]
        widths.append(high - low)
    assert widths[1] > 1.0 > widths[0]


def test_lower_loss_counts_as_better():
    published = np.linspace(0.8, 0.95, 10).tolist()
    part = cells(published, published) | {"losses": [[1 - p] for p in published]}
    assert agreement(part)["spearman"]["minus_loss"]["rho"] == 1.0


def test_the_spread_of_seeds_is_pooled_over_cells():
    part = {"ours": [[0.1, 0.3], [0.5, 0.5], [0.9]], "losses": [[1.0, 1.0], [2.0, 4.0], [3.0]]}
    noise = spread_of_seeds(part)["noise"]
    assert noise["accuracy"]["sd_of_seeds"] == pytest.approx(np.sqrt((0.02 + 0) / 2), abs=1e-5)
    assert noise["accuracy"]["cells_with_seeds"] == 2
    assert noise["loss"]["sd_of_cells"] == pytest.approx(1.0)


def test_realisations_are_compared_with_the_same_cell_and_seed():
    def line(row, accuracy, repeat=0, **network):
        plain = {"separable": False, "scale": 0.5}
        return {
            "row": row,
            "repeat": repeat,
            "accuracy": accuracy,
            "loss": 1 - accuracy,
            "network": plain | network,
        }

    plain = [line(1, 0.5), line(2, 0.4)]
    others = [
        line(1, 0.6, separable=True),
        line(2, 0.6, separable=True),
        line(3, 0.9, separable=True),
        line(1, 0.7, scale=1.0),
    ]
    found = {str(entry["change"]): entry for entry in realisations(plain, others)}
    assert found["{'separable': True}"]["trainings"] == 2
    assert found["{'separable': True}"]["accuracy"]["mean_difference"] == pytest.approx(0.15)
    assert found["{'separable': True}"]["accuracy"]["standard_error"] == pytest.approx(0.05)
    assert found["{'scale': 1.0}"]["accuracy"] == {"mean_difference": 0.2, "standard_error": None}


def test_a_fit_recovers_what_the_losses_were_made_of():
    rng = np.random.default_rng(0)
    accuracy = rng.uniform(0.85, 0.95, 60)
    lines = []
    for row in range(60):
        network = {
            "scale": float(rng.choice([0.5, 1.0])),
            "depths": [int(rng.integers(1, 4))] * 4,
            **{name: bool(rng.integers(2)) for name in ("early", "separable", "squeeze")},
        }
        share = (accuracy < accuracy[row]).mean()
        loss = 1 - 0.3 * share - 0.05 * np.log2(network["scale"]) + 0.1 * network["separable"]
        lines.append({"row": row, "network": network, "loss": loss, "accuracy": 1 - loss / 4})
    fitted = fit(lines, accuracy)
    assert fitted["loss"]["cell"] == [pytest.approx(-0.3, abs=1e-4), pytest.approx(0, abs=1e-4)]
    assert fitted["loss"]["separable"][0] == pytest.approx(0.1, abs=1e-4)
    assert fitted["accuracy"]["scale, doublings"][0] == pytest.approx(0.05 / 4, abs=1e-4)
    again = predicted_loss((accuracy < accuracy[3]).mean(), lines[3]["network"], fitted)
    assert again == pytest.approx(lines[3]["loss"], abs=1e-3)


def test_cells_say_whether_the_table_or_the_surrogate_spoke():
    line = {"row": 2, "repeat": 0, "accuracy": 0.5, "loss": 1.0, "network": {}, "cpu": "x"}
    first, second = ({**line, "videos": {"a": a, "b": 0.6}} for a in (0.4, 0.6))
    found = cells_of([first, second | {"repeat": 1}, first | {"row": 1}], np.arange(5) / 10, np.array([1, 3]))
    assert found["rows"] == [1, 2] and found["published"] == [0.1, 0.2]
    assert found["measured"] == [True, False] and found["ours"] == [[0.5], [0.5, 0.5]]
    assert found["videos"][1] == {"a": pytest.approx(0.5), "b": pytest.approx(0.6)}
