"""Rank agreement with intervals, seeds against cells, and paired realisations."""

import numpy as np
import pytest

from training.nas.agree import agreement, realisations, spread_of_seeds


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
