import math

import pytest
import torch
from safetensors.torch import load_file

import training.loop as loop
from training.recipe import Data, Phase, Recipe


def recipe(**changes):
    values = {
        "purpose": "test",
        "network": "depthgate-s",
        "data": Data("nowhere"),
        "phases": (
            Phase("exits", samples=6, batch=2, lr=1e-3, freeze_norm_from=0.5),
            Phase("gates", samples=4, batch=2, lr=1e-3),
        ),
        "precision": "fp32",
        "threads": 1,
        "checkpoint_samples": 2,
    }
    return Recipe(**(values | changes))


@pytest.mark.parametrize(
    "seen, rate",
    [
        pytest.param(0, 0.2, id="first update of a warm-up of four"),
        pytest.param(30, 0.8, id="last update of the warm-up"),
        pytest.param(40, 1.0, id="peak"),
        pytest.param(70, 0.5, id="half of the cosine"),
        pytest.param(100, 0.0, id="end"),
    ],
)
def test_learning_rate_is_a_function_of_samples(seen, rate):
    phase = Phase("exits", samples=100, batch=10, lr=1.0, warmup_samples=40)
    assert loop.learning_rate(phase, seen) == pytest.approx(rate)


class Killed(Exception):
    pass


def test_a_killed_run_resumes_bit_for_bit(painted_store, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "open_store", lambda root: painted_store)
    whole = load_file(loop.train(recipe(), tmp_path / "whole"))

    saves = []
    original = loop._save

    def save_then_die(*arguments):
        original(*arguments)
        saves.append(arguments)
        if len(saves) in (2, 6):
            raise Killed

    monkeypatch.setattr(loop, "_save", save_then_die)
    for _ in range(2):
        with pytest.raises(Killed):
            loop.train(recipe(), tmp_path / "killed")
    resumed = load_file(loop.train(recipe(), tmp_path / "killed"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_gates_phase_changes_gates_only(painted_store, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "open_store", lambda root: painted_store)
    loop.train(recipe(), tmp_path)
    before, after = load_file(tmp_path / "exits.safetensors"), load_file(tmp_path / "gates.safetensors")
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"gates"}


def test_a_loss_that_is_not_finite_stops_with_the_cure(painted_store, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "open_store", lambda root: painted_store)

    def nothing(context, batch):
        return torch.tensor(math.nan, requires_grad=True), {}

    monkeypatch.setitem(loop.PHASE_LOSSES, "exits", nothing)
    with pytest.raises(loop.DivergedError, match=r"lower phases\.exits\.lr"):
        loop.train(recipe(), tmp_path)
