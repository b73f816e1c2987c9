"""The gradients of an update: its micro-batches one after the other, its samples over all processes.

Every sample of the global batch weighs the same, wherever and in whatever
micro-batch it is computed. Only the last micro-batch of an update
synchronises; `training.schedule.pieces` gives all ranks equally many.
"""

from collections.abc import Iterable
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from training.distributed import Hook, World, data_parallel, unsynchronised, world_sum
from training.phases import PHASE_LOSSES, PhaseContext
from training.streams import Batch

Parts = dict[str, list[float]]


def loss_step(
    context: PhaseContext, trained: nn.Module, world: World, hook: Hook | None, bf16: bool
) -> nn.Module:
    """The loss of a phase as a module whose backward averages the gradients of `trained` over the ranks.

    It takes a batch and the samples of the whole update, and returns these
    samples' share of the mean loss (a scalar) and the sums of its parts.
    """
    loss_of = PHASE_LOSSES[context.phase.name]

    def loss(batch: Batch, count: int) -> tuple[Tensor, Parts]:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            terms = loss_of(context, batch)
            return terms.share_of(count), terms.sums()

    leaves_some_out = context.phase.name != "gates"  # the gates, and some heads while features are distilled
    return data_parallel(trained, loss, world, hook, unused=leaves_some_out)


def accumulate(
    step: nn.Module, batches: Iterable[Batch], number: int, count: int, world: World
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
        for name, values in sums.items():
            parts[name] = [a + b for a, b in zip(parts.get(name, [0.0] * len(values)), values, strict=True)]
    mine = [loss, *(value for values in parts.values() for value in values)]
    total = world_sum(torch.tensor(mine, dtype=torch.float64, device=world.device), world)
    loss, *rest = total.tolist()
    left = iter(rest)
    return loss, {name: [next(left) for _ in values] for name, values in parts.items()}
