import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.training.processes import environment, free_port, run
from training.distributed.group_batch_norm import convert_batch_norm, normalisation_group
from training.distributed.torus_all_reduce import torus_hook, torus_mesh
from training.distributed.world import (
    DistributedError,
    World,
    average_buffers,
    data_parallel,
    join,
    no_sync,
    process_group,
    world_sum,
)
from training.schedule.plan import StepPlan, Update, pieces

ROOT = Path(__file__).parents[3]
UPDATES, BATCH = 6, 11
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}  # of parameters up to 3 after six updates


def world_of(rank: int, size: int) -> World:
    return World(rank, size, rank, torch.device("cpu"), timedelta(seconds=5))


def network(norm: bool, dtype: torch.dtype) -> nn.Sequential:
    torch.manual_seed(3)
    layers = [nn.Conv2d(3, 8, 3, padding=1, bias=not norm), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()]
    if norm:
        layers[1:1], layers[4:4] = [nn.BatchNorm2d(8)], [nn.BatchNorm2d(8)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 36, 1)).to(
        dtype, memory_format=torch.channels_last
    )


def sample(index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Input, answer and weight of a sample: functions of its index alone."""
    rng = torch.Generator().manual_seed(index)
    return torch.randn(3, 8, 8, generator=rng), torch.randn(1, generator=rng), torch.rand(1, generator=rng)


def batch_of(indices, dtype) -> list[torch.Tensor]:
    if not indices:
        return [torch.empty(shape, dtype=dtype) for shape in ((0, 3, 8, 8), (0, 1), (0, 1))]
    return [torch.stack(parts).to(dtype) for parts in zip(*map(sample, indices), strict=True)]


def plain_training(norm: bool, batch: int, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The reference: textbook torch, none of our functions; the loss is a weighted mean over the batch."""
    net = network(norm, dtype)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for start in range(0, UPDATES * batch, batch):
        x, answer, weight = batch_of(range(start, start + batch), dtype)
        loss = (weight * (net(x) - answer).square()).sum() / weight.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.state_dict()


def distributed_training(world, dtype, norm, batch, torus, micro_batch):
    net = network(norm, dtype)
    group = normalisation_group(world, world.size)
    convert_batch_norm(net, group)
    hook = torus_hook(torus_mesh(world), world) if torus else None

    def loss_of(x, answer, weight, total):
        return (weight * (net(x) - answer).square()).sum() * world.size / total

    step = data_parallel(net, loss_of, world, hook, bucket_mb=0.001)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for start in range(0, UPDATES * batch, batch):
        mine = pieces(Update(start, batch, StepPlan(0.05, batch, 0.9)), micro_batch, world.size, world.rank)
        parts = [batch_of(range(first, first + count), dtype) for first, count in mine]
        total = world_sum(sum(weight.sum() for _, _, weight in parts), world)
        optimizer.zero_grad()
        for part in parts[:-1]:
            with no_sync(step):
                step(*part, total).backward()
        step(*parts[-1], total).backward()
        optimizer.step()
    average_buffers(net, world)
    return {name: tensor.numpy() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize(
    "size, dtype, norm, batch, torus, micro_batch",
    [
        pytest.param(2, torch.float32, True, BATCH, True, None, id="2, float32"),
        pytest.param(1, torch.float64, True, BATCH, True, None, id="1"),
        pytest.param(2, torch.float64, True, BATCH, False, None, id="2, shares of 5 and 6"),
        pytest.param(2, torch.float64, True, BATCH, True, None, id="2, hook"),
        pytest.param(
            4, torch.float64, True, BATCH, True, None, id="4, torus, uneven shares", marks=pytest.mark.slow
        ),
        pytest.param(
            4, torch.float64, True, 3, True, None, id="4, torus, one of none", marks=pytest.mark.slow
        ),
        pytest.param(2, torch.float64, False, BATCH, True, 2, id="2, accumulation", marks=pytest.mark.slow),
        pytest.param(4, torch.float64, False, BATCH, True, 1, id="4, accumulation", marks=pytest.mark.slow),
    ],
)
def test_any_number_of_processes_trains_the_same_parameters(
    size, dtype, norm, batch, torus, micro_batch, tmp_path
):
    expected = plain_training(norm, batch, dtype)
    ranks = run(distributed_training, size, tmp_path, dtype, norm, batch, torus, micro_batch)
    for found in ranks:
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            assert abs(found[name] - tensor.numpy()).max() <= TOLERANCE[dtype], name
            assert found[name].tobytes() == ranks[0][name].tobytes(), name


def test_the_reference_moves_far_more_than_the_tolerance():
    before, after = network(True, torch.float32).state_dict(), plain_training(True, BATCH, torch.float32)
    moved = min(float(abs(after[name] - before[name]).max()) for name in before if "weight" in name)
    assert moved > 1000 * TOLERANCE[torch.float32]


def buffers_apart(world):
    norm = nn.BatchNorm2d(2)
    norm.running_mean.fill_(float(world.rank))
    average_buffers(norm, world)
    return norm.running_mean.tolist(), norm.running_var.tolist(), int(norm.num_batches_tracked)


def test_buffers_become_the_mean_over_ranks(tmp_path):
    assert run(buffers_apart, 2, tmp_path) == [([0.5, 0.5], [1.0, 1.0], 0)] * 2


def starts_different(world):
    net = nn.BatchNorm2d(2)
    with torch.no_grad():
        net.weight.fill_(float(world.rank + 1))
    net.running_mean.fill_(float(world.rank + 5))
    data_parallel(net, lambda x: net(x).sum(), world)
    return net.weight.tolist(), net.running_mean.tolist()


def test_all_ranks_start_from_parameters_and_buffers_of_rank_0(tmp_path):
    assert run(starts_different, 2, tmp_path) == [([1.0, 1.0], [5.0, 5.0])] * 2


def one_layer_unused(world):
    net = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])
    step = data_parallel(net, lambda x: (net[0](x).sum(), {"part": [1.0]}), world, unused=True)
    for x in (1.0, 3.0):
        net.zero_grad()
        loss, parts = step(torch.tensor([[x + world.rank]]))
        loss.backward()
    return net[0].weight.grad.item(), net[1].weight.grad, parts


def test_a_layer_that_the_loss_does_not_use_gets_no_gradient_and_no_hang(tmp_path):
    # inputs of the last round: 3 and 4
    assert run(one_layer_unused, 2, tmp_path) == [(3.5, None, {"part": [1.0]})] * 2


def test_a_module_with_nothing_to_train_is_refused():
    net = nn.Linear(1, 1).requires_grad_(False)
    with pytest.raises(DistributedError, match="no parameter"):
        data_parallel(net, net, world_of(0, 1))


def one_rank_fails(world):
    if world.rank == 1:
        raise ArithmeticError("not me")
    world_sum(torch.ones(1), world)


def test_a_failing_rank_leaves_and_does_not_hang_the_others(tmp_path):
    with pytest.raises(pytest.fail.Exception, match="not me") as failure:
        run(one_rank_fails, 2, tmp_path)
    assert "ran longer" in str(failure.value) and "ranks []" in str(failure.value)


@pytest.fixture
def no_torchrun(monkeypatch):
    for name in (*environment(0, 1, 1), "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_torchrun_the_world_is_one_process_and_no_group(no_torchrun):
    with process_group() as world:
        assert (world.rank, world.size, world.local_rank) == (0, 1, 0)
        assert not torch.distributed.is_initialized()
        assert world_sum(torch.tensor(3.0), world) == 3


def test_an_incomplete_environment_is_named(no_torchrun):
    no_torchrun.setenv("RANK", "0")
    no_torchrun.setenv("WORLD_SIZE", "2")
    with pytest.raises(
        DistributedError, match="not LOCAL_RANK, MASTER_ADDR, MASTER_PORT; start with torchrun"
    ):
        join()


@pytest.mark.parametrize(
    "restarts, cure",
    [
        pytest.param("0", "every rank was started", id="first start"),
        pytest.param("1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1", id="after a restart"),
    ],
)
def test_a_missing_rank_ends_in_one_sentence_with_the_cure(restarts, cure, no_torchrun):
    for name, value in environment(0, 2, free_port()).items():
        no_torchrun.setenv(name, value)
    no_torchrun.setenv("TORCHELASTIC_RESTART_COUNT", restarts)
    with pytest.raises(DistributedError, match=f"rank 0 of 2 .* within 1 s .*{cure}"):
        join(timeout_s=1)


SCRIPT = """
import sys
from pathlib import Path
import torch
from training.distributed.world import process_group, world_sum
with process_group(60) as world:
    total = world_sum(torch.tensor(world.rank + 5), world)
    heard = f"rank {world.rank} of {world.size} on {world.device.type}: together {total}"
    Path(sys.argv[1], str(world.rank)).write_text(heard)
"""


@pytest.mark.slow
def test_torchrun_starts_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / rank).read_text() for rank in "01"] == [
        "rank 0 of 2 on cpu: together 11",
        "rank 1 of 2 on cpu: together 11",
    ]
