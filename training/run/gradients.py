"""The gradients of an update: its micro-batches one after the other, its samples over all processes.

Every sample of the global batch weighs the same, wherever and in whatever
micro-batch it is computed. Only the last micro-batch of an update
synchronises; `training.schedule.plan.pieces` gives all ranks equally many.
"""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from training.distributed.world import Hook, World, data_parallel, unsynchronised, world_sum
from training.tasks.loss_terms import LossTerms

Parts = dict[str, list[float]]


def loss_step(
    loss_of: Callable[[Any], LossTerms],
    trained: nn.Module,
    world: World,
    hook: Hook | None,
    bf16: bool,
    unused: bool,
) -> nn.Module:
    """Wrap a loss as a module whose backward averages the gradients of `trained` over the ranks.

    It takes a batch and the samples of the whole update, and returns these
    samples' share of the mean loss (a scalar) and the sums of its parts.
    `unused`: whether `loss_of` leaves some parameters of `trained` without a gradient.
    """

    def loss(batch: Any, count: int) -> tuple[Tensor, Parts]:
        return share_and_sums(loss_of, batch, count, world.device, bf16)

    return data_parallel(trained, loss, world, hook, unused=unused)


def share_and_sums(
    loss_of: Callable[[Any], LossTerms], batch: Any, count: int, device: torch.device, bf16: bool
) -> tuple[Tensor, Parts]:
    """Return the batch's share of the mean loss of `count` samples, a scalar, and the sums of its parts."""
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        terms = loss_of(batch)
        return terms.share_of(count), terms.sums()


def accumulate(
    step: nn.Module, batches: Iterable[Any], number: int, count: int, world: World
) -> tuple[float, Parts]:
    """Leave the gradients of an update's mean loss; returns that loss and the sums of its parts.

    Args:
        step: of `loss_step`.
        batches: the `number` micro-batches of this rank; one may be empty.
        count: samples of the update over all ranks.

    Gradients, loss and parts are those of the global batch, the same on all
    ranks. DDP averages over the ranks what has to be summed, hence the factor.
    """
    loss, parts = 0.0, Parts()
    for i, batch in enumerate(batches, 1):
        with unsynchronised(step) if i < number else nullcontext():
            share, sums = step(batch, count)
            (share * world.size).backward()
        loss += share.item()
        add_parts(parts, sums)
    return over_world(loss, parts, world)


def add_parts(parts: Parts, sums: Parts) -> None:
    """Add the sums of one more micro-batch to `parts`, in place."""
    for name, values in sums.items():
        parts[name] = [a + b for a, b in zip(parts.get(name, [0.0] * len(values)), values, strict=True)]


def over_world(loss: float, parts: Parts, world: World) -> tuple[float, Parts]:
    """Loss and parts added up over the ranks. Every rank must call it, with the same names."""
    mine = [loss, *(value for values in parts.values() for value in values)]
    total = world_sum(torch.tensor(mine, dtype=torch.float64, device=world.device), world)
    loss, *rest = total.tolist()
    left = iter(rest)
    return loss, {name: [next(left) for _ in values] for name, values in parts.items()}
