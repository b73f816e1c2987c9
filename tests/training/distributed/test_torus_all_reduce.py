from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from torch import nn

import training.distributed.torus_all_reduce as torus
from tests.training.processes import run
from training.distributed.torus_all_reduce import (
    mesh_shape,
    torus_all_reduce_,
    torus_hook,
    torus_mesh,
)
from training.distributed.world import DistributedError, World, data_parallel

LENGTHS = (1, 2, 17, 492, 5287, 36 * 64)
TOLERANCE = 1e-6  # of a sum of numbers of size one: the order of additions differs
MESHES = [
    pytest.param((1, 2), id="1×2"),
    pytest.param((1, 4), id="1×4", marks=pytest.mark.slow),
    pytest.param((2, 2), id="2×2"),
    pytest.param((2, 3), id="2×3", marks=pytest.mark.slow),
    pytest.param((3, 2), id="3×2", marks=pytest.mark.slow),
    pytest.param((3, 3), id="3×3", marks=pytest.mark.slow),
]


def integers(rank: int, length: int) -> torch.Tensor:
    return torch.randint(-1000, 1000, (length,), generator=torch.Generator().manual_seed(rank))


def reals(rank: int, length: int) -> torch.Tensor:
    return torch.randn(length, generator=torch.Generator().manual_seed(100 + rank))


def sums(world, shape):
    """By length: the torus' sums of integers and of reals, and torch's own all_reduce of the reals."""
    mesh = torus_mesh(world, shape)
    found = {}
    for length in LENGTHS:
        flat = reals(world.rank, length)
        dist.all_reduce(flat)
        whole = torus_all_reduce_(integers(world.rank, length), mesh)
        found[length] = (whole, torus_all_reduce_(reals(world.rank, length), mesh), flat)
    return {length: tuple(t.numpy() for t in tensors) for length, tensors in found.items()}


@pytest.mark.parametrize("shape", MESHES)
def test_torus_equals_all_reduce(shape, tmp_path):
    size = shape[0] * shape[1]
    ranks = run(sums, size, tmp_path, shape)
    for length in LENGTHS:
        whole = sum(integers(rank, length) for rank in range(size)).numpy()
        for found in ranks:
            mine, real, flat = found[length]
            assert (mine == whole).all()
            assert abs(real - flat).max() <= TOLERANCE * size
            assert real.tobytes() == ranks[0][length][1].tobytes()


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 5))


def gradients(world, shape, wire, bucket_mb):
    """After each of three backward passes: of the hook under test and of DDP's own all-reduce."""
    rounds = []
    hook = torus_hook(torus_mesh(world, shape), world, wire)
    ours, theirs = network(), network()
    steps = [
        data_parallel(net, lambda x, net=net: net(x).square().sum(), world, h, bucket_mb)
        for net, h in ((ours, hook), (theirs, None))
    ]
    for turn in range(3):
        x = torch.randn(4, 20, generator=torch.Generator().manual_seed(10 * turn + world.rank))
        for net, step in zip((ours, theirs), steps, strict=True):
            net.zero_grad()
            step(x).backward()
        rounds.append(
            [torch.cat([p.grad.flatten() for p in net.parameters()]).numpy() for net in (ours, theirs)]
        )
    return rounds


@pytest.mark.slow
@pytest.mark.parametrize(
    "wire, relative",
    [
        pytest.param("full", 1e-6, id="own dtype"),
        pytest.param("bf16", 2**-6, id="bf16, 8 bits, rounded at 4 steps"),
        pytest.param("fp16", 2**-9, id="fp16, 11 bits, rounded at 4 steps"),
    ],
)
def test_hook_averages_gradients_like_ddp_over_several_buckets(wire, relative, tmp_path):
    ranks = run(gradients, 4, tmp_path, (2, 2), wire, 0.01)
    for rounds in ranks:
        for turn, (mine, theirs) in enumerate(rounds):
            assert abs(mine - theirs).max() <= relative * abs(theirs).max()
            assert mine.tobytes() == ranks[0][turn][0].tobytes()


def failing_backward(world):
    """What backward raises when the sum fails in the worker thread."""

    def broken(flat, mesh):
        raise ConnectionError("rank 1 is gone")

    torus.torus_all_reduce_ = broken
    net = network()
    step = data_parallel(net, lambda x: net(x).sum(), world, torus_hook(torus_mesh(world), world))
    try:
        step(torch.ones(2, 20)).backward()
    except RuntimeError as error:
        return str(error)
    return "nothing"


def test_a_failure_in_the_worker_thread_is_raised_by_backward(tmp_path):
    for message in run(failing_backward, 2, tmp_path):
        assert "ConnectionError: rank 1 is gone" in message


@pytest.mark.parametrize(
    "size, shape",
    [
        pytest.param(1, (1, 1), id="one"),
        pytest.param(6, (2, 3), id="not square"),
        pytest.param(7, (1, 7), id="prime: flat"),
        pytest.param(16, (4, 4), id="square"),
        pytest.param(1024, (32, 32), id="the paper's pod"),
        pytest.param(2048, (32, 64), id="twice the pod"),
    ],
)
def test_mesh_shape(size, shape):
    assert mesh_shape(size) == shape


def alone(size=1) -> World:
    return World(0, size, 0, torch.device("cpu"), timedelta(seconds=5))


def test_one_process_needs_no_mesh_and_no_hook():
    assert torus_mesh(alone()) is None
    assert torus_hook(None, alone()) is None
    vector = torch.arange(3.0)
    assert torus_all_reduce_(vector, None).tolist() == [0, 1, 2]


def test_a_mesh_of_another_size_is_refused_with_one_that_fits():
    with pytest.raises(DistributedError, match="got 2×4 for 6 processes, expected for example 2×3"):
        torus_mesh(alone(6), (2, 4))


def test_an_unknown_gradient_type_is_refused():
    with pytest.raises(DistributedError, match="'fp8', expected one of full, bf16, fp16"):
        torus_hook(None, alone(), "fp8")
