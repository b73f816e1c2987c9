"""The one loop in several gloo processes: the weights of one process, one writer, one message, restarts."""

import hashlib
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import training.data.open as stores
import training.loop as loop
from models.network import pixels
from tests.conftest import ROOT
from tests.training.conftest import paint_store, tiny_costs, tiny_network
from tests.training.processes import run
from tests.training.test_loop import GROWING, Killed, equal, recipe
from tracker.errors import ModelError, SourceError
from training.distributed.world import first_on_its_machine
from training.recipe.load import dump
from training.recipe.schema import Decay, Distributed, Phase
from training.run.guards import DivergedError
from training.run.logs import read_log
from training.schedule.epoch import with_epoch
from training.tasks import phases, tracking
from training.tasks.loss_terms import LossTerms
from training.tasks.tracking import TrackingTask

TOLERANCE = 1e-8  # of a tensor's largest value, or of 1
CONSTANT = {"optimiser": "sgd", "decay": Decay("constant"), "lr": 0.05, "batch": 8}
EXITS = Phase("exits", samples=18, freeze_norm_from=1.0, **CONSTANT)
GATES = Phase("gates", samples=10, **CONSTANT)
FROZEN = replace(EXITS, samples=19, micro_batch=1)
BUSY = replace(GROWING, micro_batch=1, freeze_norm_from=0.5)


def recipe_of(*phases, norm_group=1, **distributed):
    return recipe(phases=phases, ema_decay=0.5, distributed=Distributed(norm_group, **distributed))


def network(dtype):
    """The gates are given float32 in every case."""
    net = tiny_network().to(dtype)
    for gate in net.gates:
        gate.register_forward_pre_hook(lambda gate, inputs: (inputs[0].to(dtype),))
    return net


def paint(dtype=torch.float32, frozen=False) -> None:
    """Painted pictures and a tiny network for the loop of this process; `frozen`: all norms evaluate."""
    stores.open_store = lambda root: paint_store()
    tracking.build = lambda name: network(dtype)
    loop.LOG_SAMPLES = 1
    phases.pixels = lambda crop: pixels(crop).to(dtype)
    phases.relative_costs = tiny_costs
    if frozen:
        original = TrackingTask.set_modes
        TrackingTask.set_modes = lambda self, net, *rest: (original(self, net, *rest), net.eval())


@pytest.fixture
def restored(monkeypatch):
    """What `paint` changes in this process is undone."""
    inputs = (stores, "open_store"), (tracking, "build"), (loop, "LOG_SAMPLES")
    for where, name in (*inputs, (TrackingTask, "set_modes"), (phases, "pixels"), (phases, "relative_costs")):
        monkeypatch.setattr(where, name, getattr(where, name))


def train_as(world, wanted, folder, *painted):
    """Every rank has a folder of its own: only rank 0's may come to be."""
    paint(*painted)
    loop.train_as(world, wanted, folder / str(world.rank))


def furthest(one, other):
    assert one.keys() == other.keys()
    floats = [(one[k].double(), other[k].double()) for k in one if one[k].is_floating_point()]
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in floats)


# The last update leaves some of four processes without a sample.
CASES = {
    "group of all": (recipe_of(EXITS, GATES, norm_group=2), False, 2),
    "torus, accumulation, frozen": (recipe_of(FROZEN, all_reduce="torus"), True, 2),
    "four: torus, group of all": (recipe_of(EXITS, GATES, norm_group=4, all_reduce="torus"), False, 4),
    "four: accumulation, frozen": (recipe_of(FROZEN), True, 4),
}


@pytest.mark.parametrize(
    "wanted, frozen, size",
    [
        pytest.param(*c, id=name, marks=[pytest.mark.slow] * (name != "group of all"))
        for name, c in CASES.items()
    ],
)
def test_several_processes_train_the_weights_and_log_the_lines_of_one(
    wanted, frozen, size, restored, tmp_path
):
    """In float64: float32's rounding tips the flat grounds of the pictures over the edge of a ReLU."""
    paint(torch.float64, frozen)
    alone = load_file(loop.train(wanted, tmp_path / "alone"))
    run(train_as, size, tmp_path, wanted, tmp_path, torch.float64, frozen)
    together = load_file(tmp_path / "0" / "weights.safetensors")
    torch.manual_seed(wanted.seed)
    assert furthest(tiny_network().state_dict(), alone) > 1e-2
    assert furthest(alone, together) < TOLERANCE
    for one, other in zip(read_log(tmp_path / "alone"), read_log(tmp_path / "0"), strict=True):
        for key in one.keys() - {"phase", "samples_per_s"}:
            assert other[key] == pytest.approx(one[key], rel=1e-6, abs=2e-4), key
    assert not (tmp_path / "1").exists()


def killed_twice(world, wanted, folder):
    """One undisturbed run, one that dies after two of its checkpoints; digests of the average at each."""
    paint()
    saves, original = [], loop._save
    deaths: tuple[int, ...] = ()

    def save(run, *arguments):
        original(run, *arguments)
        tensors = b"".join(t.numpy().tobytes() for t in run.average.state_dict().values())
        saves.append(hashlib.sha256(tensors).hexdigest())
        if len(saves) in deaths:
            raise Killed

    loop._save = save
    loop.train_as(world, wanted, folder / f"whole {world.rank}")
    deaths = (len(saves) + 1, len(saves) + 3)
    for _ in deaths:
        with pytest.raises(Killed):
            loop.train_as(world, wanted, folder / f"killed {world.rank}")
    loop.train_as(world, wanted, folder / f"killed {world.rank}")
    return saves


@pytest.mark.slow
def test_all_ranks_hold_one_average_and_resume_from_the_checkpoint_of_rank_0(tmp_path):
    """Growing batch, accumulation, LARS, norms apart and frozen half-way, rounded gradients."""
    wanted = recipe_of(BUSY, replace(GATES, samples=8, batch=4), gradients="bf16")
    one, other = run(killed_twice, 2, tmp_path, wanted, tmp_path)
    assert one == other and len(one) > 6
    assert equal(*(load_file(tmp_path / f"{name} 0/weights.safetensors") for name in ("whole", "killed")))


def diverges(world, wanted, folder):
    """The loss of rank 1 alone is NaN."""
    paint()
    original = phases.PHASE_LOSSES["exits"]

    def faulty(context, batch):
        terms = original(context, batch)
        factor = math.nan if world.rank == 1 else 1.0
        return LossTerms([(w, v * factor) for w, v in terms.terms], terms.parts)

    phases.PHASE_LOSSES["exits"] = faulty
    with pytest.raises(DivergedError) as error:
        loop.train_as(world, wanted, folder)
    return str(error.value)


def test_what_diverges_on_one_rank_stops_all_alike(tmp_path):
    one, other = run(diverges, 2, tmp_path, recipe_of(EXITS), tmp_path / "run")
    assert one == other and "the loss is nan after 0 samples" in one


def fails_on(world, ranks):
    """How each rank ends where `ranks` cannot read what is read first on every machine."""
    try:
        with first_on_its_machine(world):
            if world.rank in ranks:
                raise SourceError(f"gone on rank {world.rank}")
    except (SourceError, SystemExit) as error:
        return type(error), str(error)
    return None, ""


@pytest.mark.parametrize("ranks", [(0,), (1,), (0, 1), ()])
def test_what_one_rank_cannot_read_is_said_by_rank_0_and_ends_all(ranks, tmp_path):
    ends = run(fails_on, 2, tmp_path, ranks)
    said = [(SourceError, f"gone on rank {min(ranks)}"), (SystemExit, "2")] if ranks else [(None, "")] * 2
    assert ends == said


def damaged(world, wanted, folder):
    paint()
    try:
        loop.train_as(world, wanted, folder)
    except (ModelError, SourceError, SystemExit) as error:
        return type(error), str(error)


@pytest.mark.parametrize("name", ["checkpoint.pt", "log.jsonl"])
def test_a_damaged_run_ends_all_with_one_message(name, tmp_path):
    wanted = with_epoch(recipe_of(EXITS), paint_store())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text(dump(wanted))
    (tmp_path / "run" / name).write_bytes(b"\xffjunk")
    (fault, said), other = run(damaged, 2, tmp_path, wanted, tmp_path / "run")
    assert fault in (ModelError, SourceError) and name in said and "delete it" in said
    assert other == (SystemExit, "2")


CHILD = """
import os, signal, sys
from pathlib import Path
import app
import training.loop as loop
from tests.training.test_several_processes import paint
paint()
rank, folder, original, updates = os.environ["RANK"], Path(sys.argv[1]), loop.update_average, []
(folder / f"pid {rank}").write_text(str(os.getpid()))

def update_average(*arguments):
    original(*arguments)
    updates.append(1)
    if len(updates) < 3 or os.environ["TORCHELASTIC_RESTART_COUNT"] != "0":
        return
    if os.environ["KILLS"] == "rank 1" and rank == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ["KILLS"] == "job" and rank == "0":
        for victim in (os.getppid(), int((folder / "pid 1").read_text()), os.getpid()):
            os.kill(victim, signal.SIGKILL)

loop.update_average = update_average
sys.exit(app.main(["train", str(folder / "recipe.yaml"), "--run", str(folder / "run")]))
"""


def torchrun(folder, kills="", restarts=0):
    """The CHILD on two processes by torchrun; `kills`: who dies after the third update of the first life."""
    (folder / "child.py").write_text(CHILD)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*command, "--max-restarts", str(restarts), str(folder / "child.py"), str(folder)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
            "KILLS": kills,
        },
        capture_output=True,
        text=True,
        timeout=400,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kills", ["rank 1", "job"])
def test_kill_9_changes_nothing_in_the_end(kills, tmp_path):
    """About half a minute each on two quiet cores."""
    wanted = recipe_of(BUSY, replace(GATES, samples=8, batch=4), all_reduce="torus")
    wanted = replace(wanted, checkpoint_samples=4)
    run(train_as, 2, tmp_path, wanted, tmp_path)
    (tmp_path / "recipe.yaml").write_text(dump(wanted))
    done = torchrun(tmp_path, kills, restarts=1)
    if kills == "job":
        assert done.returncode == -signal.SIGKILL
        done = torchrun(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("weights ") == 1
    assert equal(
        load_file(tmp_path / "0/weights.safetensors"), load_file(tmp_path / "run/weights.safetensors")
    )
    lines = [[{**line, "samples_per_s": 0} for line in read_log(tmp_path / name)] for name in ("0", "run")]
    assert lines[0] == lines[1]


@pytest.mark.slow
def test_a_changed_recipe_is_refused_once(restored, tmp_path):
    paint()
    begun = recipe_of(EXITS)
    loop.train(begun, tmp_path / "run")
    (tmp_path / "recipe.yaml").write_text(dump(replace(begun, seed=3)))
    done = torchrun(tmp_path)
    assert done.returncode != 0 and done.stderr.count("seed got 3, but the run in") == 1


@pytest.mark.slow
def test_missing_data_are_said_once_and_all_exit_2(tmp_path):
    (tmp_path / "recipe.yaml").write_text(dump(recipe_of(EXITS)))
    given = [str(tmp_path / "recipe.yaml"), "--run", str(tmp_path / "run"), "data.root=none"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--"]
    done = subprocess.run(
        [*command, str(ROOT / "app.py"), "train", *given],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert (
        done.stderr.count("depthgate: ") == done.stderr.count("depthgate: error: training data: none/") == 1
    )
    assert "exitcode  : 2" in done.stderr and "exitcode  : 1 " not in done.stderr


@pytest.mark.slow
def test_a_refused_recipe_is_said_once(tmp_path):
    (tmp_path / "recipe.yaml").write_text(dump(recipe_of(EXITS, norm_group=3)))
    done = torchrun(tmp_path)
    assert done.returncode != 0 and not (tmp_path / "run").exists()
    assert done.stderr.count("distributed.norm_group got 3, which does not divide 2 processes") == 1
