import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import cv2
import pytest
import torch
from safetensors.torch import load_file

import training.data.open as stores
import training.loop as loop
from tests.conftest import ROOT
from tests.training.conftest import tiny_costs, tiny_network
from tracker.errors import ModelError
from training.data.held_out import SHARES
from training.data.pairs import PairStream
from training.recipe.errors import RecipeError
from training.recipe.schema import Data, Decay, Phase, Recipe
from training.run import checkpoint, guards
from training.run.guards import DivergedError
from training.run.logs import read_log, split_log
from training.tasks import phases, task, tracking
from training.tasks.loss_terms import LossTerms

GROWING = Phase(
    "exits",
    samples=10,
    batch=2,
    lr=1.0,
    micro_batch=2,
    optimiser="lars",
    growth=True,
    max_batch=8,
    decay=Decay("step", factor=0.5, at_samples=(2, 6)),
)


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


@pytest.fixture(autouse=True)
def painted(painted_store, monkeypatch):
    monkeypatch.setattr(stores, "open_store", lambda root: painted_store)
    monkeypatch.setattr(tracking, "build", lambda name: tiny_network())
    monkeypatch.setattr(phases, "relative_costs", tiny_costs)


class Killed(Exception):
    pass


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "phases, deaths",
    [
        pytest.param(recipe().phases, (2, 5), id="two phases, norms freeze half-way"),
        pytest.param((GROWING,), (1, 2), id="growing batch, accumulation, LARS"),
    ],
)
def test_a_killed_run_resumes_bit_for_bit(phases, deaths, tmp_path, monkeypatch):
    whole = load_file(loop.train(recipe(phases=phases), tmp_path / "whole"))
    saves = []
    original = loop._save

    def save_then_die(*arguments):
        original(*arguments)
        saves.append(arguments)
        if len(saves) in deaths:
            raise Killed

    monkeypatch.setattr(loop, "_save", save_then_die)
    for _ in deaths:
        with pytest.raises(Killed):
            loop.train(recipe(phases=phases), tmp_path / "killed")
    resumed = load_file(loop.train(recipe(phases=phases), tmp_path / "killed"))
    assert equal(whole, resumed)
    logs = [read_log(tmp_path / name) for name in ("whole", "killed")]
    assert [{**line, "samples_per_s": 0} for line in logs[0]] == [
        {**line, "samples_per_s": 0} for line in logs[1]
    ]


def test_a_run_starts_from_the_weights_of_another(tmp_path):
    first = loop.train(recipe(), tmp_path / "first")
    gates = Phase("gates", samples=4, batch=2, lr=1e-2)
    second = loop.train(recipe(phases=(gates,), start=str(first)), tmp_path / "second")
    begun, ended = load_file(first), load_file(second)
    assert begun.keys() == ended.keys()
    changed = {name for name in begun if not torch.equal(begun[name], ended[name])}
    assert changed and all(name.startswith("gates.") for name in changed)


@pytest.mark.parametrize("content", [b"junk", None], ids=["junk", "no file"])
def test_weights_that_cannot_be_started_from_are_one_line(tmp_path, content):
    path = tmp_path / "odd.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ModelError, match=r"start: .*odd\.safetensors does not hold weights of this network"
    ) as error:
        loop.train(recipe(start=str(path)), tmp_path / "run")
    assert "\n" not in str(error.value)


def test_a_resident_run_trains_on_the_same_samples(tmp_path, monkeypatch):
    """But for the resampling."""
    monkeypatch.setattr(loop, "LOG_SAMPLES", 1)
    still, logs = Phase("exits", samples=8, batch=2, micro_batch=1, lr=1e-7), []
    for name, data in (("host", Data("nowhere")), ("device", Data("nowhere", resident=True))):
        loop.train(recipe(data=data, phases=(still,)), tmp_path / name)
        logs.append([line["loss"] for line in read_log(tmp_path / name) if "loss" in line])
    assert len(logs[0]) == 4 and logs[0] != logs[1] and logs[0] == pytest.approx(logs[1], rel=0.03)


def test_a_resumed_run_keeps_its_recipe(tmp_path):
    begun = recipe(phases=recipe().phases[:1])
    loop.train(begun, tmp_path)
    loop.train(replace(begun, threads=2, data=Data("elsewhere")), tmp_path)
    kept = (tmp_path / "recipe.yaml").read_text()
    assert "threads: 2" in kept and "root: elsewhere" in kept
    with pytest.raises(RecipeError, match=r"seed got 3, but the run in .* was begun with 0;"):
        loop.train(replace(begun, seed=3), tmp_path)
    assert (tmp_path / "recipe.yaml").read_text() == kept


def test_a_resumed_run_keeps_the_precision_that_was_measured(tmp_path, monkeypatch, capsys):
    begun = recipe(phases=recipe().phases[:1], precision="auto")
    for measured in ("fp32", "bf16"):
        monkeypatch.setattr(loop, "choose_precision", lambda wanted, device, found=measured: found)
        loop.train(begun, tmp_path)
        assert json.loads((tmp_path / "environment.json").read_text())["precision"] == "fp32"
    assert capsys.readouterr().out.count("precision fp32, the faster one here") == 1


def test_short_phases_have_curves(tmp_path):
    loop.train(recipe(), tmp_path)
    lines = [line for line in read_log(tmp_path) if "loss" in line]
    assert [(line["phase"], line["samples"]) for line in lines] == [
        *(("exits", n) for n in (2, 4, 6)),
        *(("gates", n) for n in (2, 4)),
    ]


def test_a_growing_batch_is_logged_with_its_rate_and_noise(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOG_SAMPLES", 1)
    loop.train(recipe(phases=(replace(GROWING, optimiser="nesterov", lr=1e-3),)), tmp_path)
    lines = read_log(tmp_path)
    assert [(line["samples"], line["batch"]) for line in lines] == [(2, 2), (6, 4), (10, 4)]
    assert [line["lr"] for line in lines] == pytest.approx([1e-3] * 3)
    # N = 12 annotated frames + 3 masked objects; 1e-3 / (1 − 0.9) · (15/2 − 1)
    assert lines[0]["noise_scale"] == pytest.approx(0.065)
    assert json.loads((tmp_path / "environment.json").read_text())["epoch_samples"] == 15


def test_the_average_is_validated_on_held_out_pairs(painted_store, tmp_path, monkeypatch):
    pairs = PairStream(painted_store, 0, "held out", SHARES)
    monkeypatch.setattr(task, "held_out_pairs", lambda root: pairs)
    monkeypatch.setattr(tracking, "PAIRS", 3)
    wanted = recipe(phases=recipe().phases[:1], validate_samples=4)
    average = tiny_network()
    average.load_state_dict(load_file(loop.train(wanted, tmp_path)))
    first, last = split_log(read_log(tmp_path))[1]
    assert (first["samples"], last["samples"], last["updates"]) == (4, 6, 3)
    context = phases.PhaseContext(average.eval(), None, wanted.phases[0])
    expected = phases.exits_loss(context, pairs.batch(0, 3))
    assert last["validation"]["loss"] == pytest.approx(expected.share_of(3).item(), rel=1e-5)
    tracked = [total / 3 for total in expected.sums()["tracking"]]
    assert last["validation"]["tracking"] == pytest.approx(tracked, abs=1e-4)


@pytest.mark.parametrize("clip", [5.0, 0.01, None])
def test_gradients_are_clipped_to_what_the_phase_says(clip, tmp_path, monkeypatch):
    """A step of plain SGD at rate 1 is as long as the gradient that it took."""
    monkeypatch.setattr(loop, "LOG_SAMPLES", 1)
    phase = Phase("exits", samples=2, batch=2, lr=1.0, optimiser="sgd", momentum=0.0, clip=clip)
    wanted = recipe(phases=(phase,), ema_decay=0.0, weight_decay=0.0)
    after = load_file(loop.train(wanted, tmp_path))
    torch.manual_seed(0)
    before = dict(tiny_network().named_parameters())
    moved = math.sqrt(sum(float((after[name] - p.detach()).square().sum()) for name, p in before.items()))
    norm = read_log(tmp_path)[0]["norm"]
    assert norm > 0.01 and moved == pytest.approx(min(norm, clip or norm), rel=1e-3)


def test_micro_batches_of_unequal_size_make_the_step_of_the_whole(tmp_path, monkeypatch):
    """Under plain SGD, with all batch norms frozen: their moments are those of a micro-batch."""
    original = phases.PHASE_LOSSES["exits"]

    def frozen(context, batch):
        context.network.eval()
        return original(context, batch)

    monkeypatch.setitem(phases.PHASE_LOSSES, "exits", frozen)
    phase = Phase("exits", samples=7, batch=4, lr=0.1, optimiser="sgd", momentum=0.0)
    whole, cut = (
        load_file(
            loop.train(recipe(phases=(replace(phase, micro_batch=m),), ema_decay=0.0), tmp_path / str(m))
        )
        for m in (None, 2)
    )
    torch.manual_seed(0)
    name = "exits.0.embed.weight"
    assert not torch.allclose(whole[name], tiny_network().state_dict()[name])
    assert all(torch.allclose(whole[name], cut[name], rtol=1e-4, atol=1e-6) for name in whole)


@pytest.mark.parametrize("cuts", [[6], [2, 2, 2], [4, 2], [1, 3, 2]], ids=str)
def test_shares_of_a_loss_add_up_to_the_mean(cuts):
    values = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    shares = [LossTerms([(1.0, v), (0.5, 2 * v)], {}).share_of(6).item() for v in torch.split(values, cuts)]
    assert sum(shares) == pytest.approx(21.0)  # (1 + 0.5·2) · 63 / 6


def test_the_gates_phase_changes_gates_only(tmp_path):
    loop.train(recipe(), tmp_path)
    before, after = load_file(tmp_path / "exits.safetensors"), load_file(tmp_path / "gates.safetensors")
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"gates"}
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture.std() > 10


@pytest.mark.parametrize(
    "value, says",
    [
        pytest.param(math.nan, r"the loss is nan \(tracking of exit 2\) after 0 samples", id="NaN"),
        pytest.param(math.inf, r"lower phases\.exits\.lr or raise phases\.exits\.warmup", id="infinite"),
    ],
)
def test_a_loss_that_is_not_finite_stops_with_the_cure(value, says, tmp_path, monkeypatch):
    def nothing(context, batch):
        loss = torch.tensor([value], requires_grad=True)
        return LossTerms([(1.0, loss)], {"tracking": [torch.ones(1), loss]})

    monkeypatch.setitem(phases.PHASE_LOSSES, "exits", nothing)
    with pytest.raises(DivergedError, match=says):
        loop.train(recipe(), tmp_path)


@pytest.mark.parametrize(
    "gain, says",
    [
        pytest.param(1e12, r"norm is \S+, in 2 updates .* at most 5000, after 2 samples", id="exploded"),
        pytest.param(math.nan, r"norm is nan, first in \S+, after 0 samples", id="NaN behind a finite loss"),
    ],
)
def test_a_hopeless_gradient_stops_the_run(gain, says, tmp_path, monkeypatch):
    monkeypatch.setattr(guards, "PATIENCE", 2)

    class Faulty(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * gain

    original = phases.PHASE_LOSSES["exits"]

    def faulty(context, batch):
        terms = original(context, batch)
        return LossTerms([(w, Faulty.apply(v)) for w, v in terms.terms], terms.parts)

    monkeypatch.setitem(phases.PHASE_LOSSES, "exits", faulty)
    with pytest.raises(DivergedError, match=says):
        loop.train(recipe(), tmp_path)


CHILD = """
import sys
from pathlib import Path
import training.loop as loop
from tests.training.conftest import paint_store, tiny_network
from tests.training.test_loop import GROWING, recipe
import training.data.open as stores
from training.tasks import tracking
stores.open_store = lambda root: paint_store()
tracking.build = lambda name: tiny_network()
loop.LOG_SAMPLES = 1
loop.train(recipe(phases=(GROWING,), checkpoint_samples=4), Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 2], ids=lambda n: f"after log line {n}")
def test_kill_9_loses_no_more_than_the_checkpoint_interval(lines, tmp_path):
    """About ten seconds each: two processes that import torch."""
    whole = loop.train(recipe(phases=(GROWING,), checkpoint_samples=4), tmp_path / "whole")
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", CHILD, str(folder)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while len(read_log(folder)) < lines and child.poll() is None:
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    path = folder / "checkpoint.pt"
    saved = checkpoint.load(path) if path.is_file() else {"seen": 0, "phase": 0}
    reached = 10 if saved["phase"] else saved["seen"]
    assert read_log(folder)[-1]["samples"] - reached <= 4
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert equal(load_file(whole), load_file(folder / "weights.safetensors"))
