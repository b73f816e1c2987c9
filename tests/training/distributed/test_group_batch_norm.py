import copy
from datetime import timedelta

import numpy as np
import pytest
import torch
from torch import nn

from models.registry import build
from tests.training.processes import run
from training.distributed.group_batch_norm import convert_batch_norm, normalisation_group
from training.distributed.world import DistributedError, World

CHANNELS = 6
TOLERANCE = 2e-5  # of the largest value: float32 against float64, inputs up to 12, sums of 150


def layer(kind=nn.BatchNorm2d, **options) -> nn.Module:
    """Batch norm with weights that are not one and moments that are not zero."""
    made = kind(CHANNELS, **options)
    rng = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for tensor in (*made.parameters(), *made.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=rng) + 0.5)
    return made


def samples(rank: int, count: int, flat=False) -> tuple[torch.Tensor, torch.Tensor]:
    """Input and incoming gradient of a rank; means far from zero, different on every rank."""
    rng = torch.Generator().manual_seed(rank)
    shape = (count, CHANNELS) if flat else (count, CHANNELS, 5, 3)
    return torch.randn(shape, generator=rng) * (rank + 1) + 3 * rank, torch.randn(shape, generator=rng)


def both_ways(norm: nn.Module, x: torch.Tensor, gradient: torch.Tensor) -> dict[str, np.ndarray]:
    x = x.clone().requires_grad_()
    y = norm(x)
    y.backward(gradient)
    found = {"y": y, "dx": x.grad} | {f"d{k}": p.grad for k, p in norm.named_parameters()}
    found |= dict(norm.named_buffers())
    return {k: v.detach().double().numpy() for k, v in found.items()}


def on_a_rank(world, group_size, counts, kind, options):
    group = normalisation_group(world, group_size)
    norm = convert_batch_norm(layer(kind, **options), group)
    return both_ways(norm, *samples(world.rank, counts[world.rank], kind is nn.BatchNorm1d))


@pytest.mark.parametrize(
    "size, group_size, counts, kind, options",
    [
        pytest.param(2, 2, (3, 3), nn.BatchNorm2d, {}, id="2 of 2"),
        pytest.param(2, 2, (5, 0), nn.BatchNorm2d, {}, id="a rank without samples"),
        pytest.param(2, 2, (4, 3), nn.BatchNorm1d, {"affine": False, "momentum": 0.02}, id="the gates' own"),
        pytest.param(2, 2, (1, 2), nn.BatchNorm2d, {"momentum": None}, id="cumulative average"),
        pytest.param(2, 2, (1, 2), nn.BatchNorm2d, {"track_running_stats": False}, id="no running moments"),
        pytest.param(4, 1, (2, 3, 1, 4), nn.BatchNorm2d, {}, id="1 of 4", marks=pytest.mark.slow),
        pytest.param(4, 2, (2, 3, 1, 4), nn.BatchNorm2d, {}, id="2 of 4", marks=pytest.mark.slow),
        pytest.param(4, 4, (2, 3, 1, 4), nn.BatchNorm2d, {}, id="4 of 4", marks=pytest.mark.slow),
    ],
)
def test_group_equals_batch_norm_of_the_concatenated_batch(size, group_size, counts, kind, options, tmp_path):
    found = run(on_a_rank, size, tmp_path, group_size, counts, kind, options)
    for first in range(0, size, group_size):
        members = range(first, first + group_size)
        inputs = [samples(rank, counts[rank], kind is nn.BatchNorm1d) for rank in members]
        x, gradient = (torch.cat(part) for part in zip(*inputs, strict=True))
        whole = both_ways(layer(kind, **options).double(), x.double(), gradient.double())
        for name in whole:
            parts = [found[rank][name] for rank in members]
            if name in ("y", "dx"):
                mine = [np.concatenate(parts)]
            elif name.startswith("d"):
                mine = [sum(parts)]
            else:
                mine = parts
            for value in mine:
                scale = max(1.0, abs(whole[name]).max())
                assert abs(value - whole[name]).max() <= TOLERANCE * scale, name


def large_mean(world):
    """Variance 1 around 10,000: Σx² − mean² in float32 would leave nothing of it."""
    norm = convert_batch_norm(nn.BatchNorm2d(1), normalisation_group(world, 2))
    rng = torch.Generator().manual_seed(world.rank)
    y = norm(torch.randn(8, 1, 16, 16, generator=rng) + 10_000)
    return float(y.detach().std()), float(norm.running_var)


def test_variance_survives_a_large_mean(tmp_path):
    for deviation, running in run(large_mean, 2, tmp_path):
        assert deviation == pytest.approx(1, abs=0.05)
        assert running == pytest.approx(1, abs=0.05)


def details(world):
    """Of a converted network: layer types, keys, sameness after a copy, eval, bf16, one value."""
    group = normalisation_group(world, 2)
    network = build("depthgate-s")
    keys, parameters = list(network.state_dict()), {id(p) for p in network.parameters()}
    convert_batch_norm(network, group)
    kinds = {type(m).__name__ for m in network.modules() if "BatchNorm" in type(m).__name__}
    norm = convert_batch_norm(layer(), group)
    twin = copy.deepcopy(norm)
    x = samples(0, 2)[0]
    plain = torch.equal(norm.eval()(x), layer().eval()(x))
    half = norm.train()(x.bfloat16().to(memory_format=torch.channels_last))
    try:
        convert_batch_norm(nn.BatchNorm1d(2), group)(torch.ones(1 - world.rank, 2))
        lone = "accepted"
    except ValueError as error:
        lone = str(error)
    return {
        "kinds": kinds,
        "keys": keys == list(network.state_dict()),
        "parameters": parameters == {id(p) for p in network.parameters()},
        "twin": twin.group is norm.group and twin.weight is not norm.weight,
        "evaluation": plain,
        "dtype": str(half.dtype),
        "channels_last": half.is_contiguous(memory_format=torch.channels_last),
        "one value": lone,
    }


def test_converted_layers_keep_names_parameters_and_evaluation(tmp_path):
    for found in run(details, 2, tmp_path):
        assert found == {
            "kinds": {"GroupBatchNorm"},
            "keys": True,
            "parameters": True,
            "twin": True,
            "evaluation": True,
            "dtype": "torch.bfloat16",
            "channels_last": True,
            "one value": "batch norm: got 1 value a channel in the group, expected at least 2",
        }


@pytest.mark.parametrize(
    "size", [pytest.param(3, id="3 of 4"), pytest.param(0, id="none"), pytest.param(8, id="8 of 4")]
)
def test_a_group_that_does_not_divide_is_refused_with_those_that_do(size):
    world = World(0, 4, 0, torch.device("cpu"), timedelta(seconds=5))
    with pytest.raises(DistributedError, match=rf"got {size} for 4 processes, expected one of \[1, 2, 4\]"):
        normalisation_group(world, size)


def test_a_group_of_one_leaves_the_network_alone():
    world = World(0, 1, 0, torch.device("cpu"), timedelta(seconds=5))
    norm = layer()
    assert convert_batch_norm(norm, normalisation_group(world, 1)) is norm
