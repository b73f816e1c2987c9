"""What the averaged network loses on held-out samples: a line of the log with the key `validation`.

The ranks divide the samples among them, since one that evaluated alone would
keep the others waiting for longer than a collective may take.
"""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import torch

from training.data.feed import Stream, feed
from training.distributed.world import World
from training.run.gradients import Parts, add_parts, over_world, share_and_sums
from training.run.logs import Line
from training.tasks.loss_terms import LossTerms

BATCH = 32


def validate(
    loss_of: Callable[[Any], LossTerms],
    stream: Stream[Any],
    count: int,
    world: World,
    bf16: bool,
    workers: int,
) -> Line:
    """Mean loss and parts of samples 0 … count − 1, parts rounded as in the log. Every rank must call it.

    Args:
        loss_of: of a network in evaluation; nothing is trained.
        workers: threads that make the batches.
    """
    mine = range(*(count * r // world.size for r in (world.rank, world.rank + 1)))
    plan = [(start, min(BATCH, mine.stop - start)) for start in mine[::BATCH]] or [(0, 0)]
    loss, parts = 0.0, Parts()
    with torch.no_grad(), closing(feed(stream, plan, workers)) as batches:
        for batch in batches:
            part, sums = share_and_sums(loss_of, batch, count, world.device, bf16)
            loss += part.item()
            add_parts(parts, sums)
    loss, parts = over_world(loss, parts, world)
    return {"loss": loss, **means(parts, count)}


def means(parts: Parts, count: int) -> Parts:
    """Turn sums over `count` samples into means of four decimals."""
    return {name: [round(v / count, 4) for v in sums] for name, sums in parts.items()}
