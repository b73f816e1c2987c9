"""Data-parallel training: the process group, and gradients of the global batch.

    torchrun --nproc-per-node 4 -- app.py train recipe.yaml

Every sample weighs the same wherever it is computed: a loss is a sum over
the *global* batch divided by a normaliser of the global batch, so that the
number of processes moves nothing. A loop calls this module as follows
(training/loop.py does); it is the same code in one process, where no group exists:

    with joined() as world:
        group = normalisation_group(world, recipe_group)          # group_batch_norm
        convert_batch_norm(network, group)
        step = data_parallel(network, loss_of, world, torus_hook(torus_mesh(world), world))
        for update in updates(plan):                              # the sample clock: schedule
            for first, count in pieces(update, micro_batch, world.size, world.rank):
                loss = step(stream.batch(first, count))           # sum of losses / update.count
                (loss * world.size).backward()                    # DDP averages what has to be summed
            optimizer.step()
            average_buffers(network, world)

Source: Li et al. 2020, PyTorch Distributed (arXiv 2006.15704), for buckets
and overlap. docs/distributed.md has the hazards that the rules here avoid.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import GradBucket, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from tracker.errors import TrackerError

Hook = Callable[[GradBucket], torch.futures.Future[Tensor]]

T = TypeVar("T")

TIMEOUT_S = 600.0
WRONG_USE = 2  # exit code
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
RESTART_ADVICE = (
    "restarted processes read the addresses of the dead ones from torchrun's shared store: "
    "start torchrun with TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"
)


class DistributedError(TrackerError):
    """Processes that cannot work together as asked."""


@dataclass(frozen=True)
class World:
    """One process among all: 0 <= rank < size; local_rank counts within the machine.

    `timeout` is what every further group must be given: new_group does not inherit it.
    """

    rank: int
    size: int
    local_rank: int
    device: torch.device
    timeout: timedelta

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks for all."""
        return self.rank == 0


def join(timeout_s: float = TIMEOUT_S) -> World:
    """Enter the process group that torchrun's environment describes.

    No RANK in the environment, or a WORLD_SIZE of 1, is a world of one
    without a group. nccl where *every* rank has a GPU for itself, else gloo
    on the CPU: the ranks agree through the store, since two backends in one
    group wait for each other.

    Args:
        timeout_s: seconds that a rank waits for another, here and in every collective.

    Raises:
        DistributedError: the environment is incomplete, or not all ranks came.
    """
    timeout = timedelta(seconds=timeout_s)
    if "RANK" not in os.environ:
        return World(0, 1, 0, _device(0, _has_gpu(0, 1)), timeout)
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        raise DistributedError(
            f"process group: RANK is set but not {', '.join(missing)}; start with torchrun, or unset RANK"
        )
    rank, size, local = (int(os.environ[name]) for name in VARIABLES[:3])
    gpu = _has_gpu(local, int(os.environ.get("LOCAL_WORLD_SIZE", size)))
    if size == 1:
        return World(rank, size, local, _device(local, gpu), timeout)
    try:
        store, _, _ = next(iter(rendezvous("env://", timeout=timeout)))
        gpu = _all_have(store, size, gpu, timeout)
        if gpu:
            torch.cuda.set_device(local)
        dist.init_process_group(
            "nccl" if gpu else "gloo", store=store, rank=rank, world_size=size, timeout=timeout
        )
    except RuntimeError as error:
        raise DistributedError(_cannot_join(rank, size, timeout_s, error)) from error
    return World(rank, size, local, _device(local, gpu), timeout)


def leads() -> bool:
    """Whether this process is rank 0 or alone, by the environment; before and after `joined` too."""
    return os.environ.get("RANK", "0") == "0"


def _has_gpu(local_rank: int, local_size: int) -> bool:
    return torch.cuda.is_available() and local_rank < local_size <= torch.cuda.device_count()


def _device(local_rank: int, gpu: bool) -> torch.device:
    return torch.device("cuda", local_rank) if gpu else torch.device("cpu")


def _all_have(store: Store, size: int, gpu: bool, timeout: timedelta) -> bool:
    """Whether `gpu` holds on every rank; the last one to come opens the door for all."""
    store.add("depthgate/gpus", int(gpu))
    if store.add("depthgate/ranks", 1) == size:
        store.set("depthgate/all", "here")
    store.wait(["depthgate/all"], timeout)
    return bool(store.add("depthgate/gpus", 0) == size)


def _cannot_join(rank: int, size: int, timeout_s: float, error: Exception) -> str:
    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    restarted = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
    cure = RESTART_ADVICE if restarted else "look whether every rank was started and reaches that address"
    reason = str(error).strip().splitlines()[0]
    return (
        f"process group: rank {rank} of {size} at {address} did not meet all others "
        f"within {timeout_s:g} s ({reason}); {cure}"
    )


@contextmanager
def joined(timeout_s: float = TIMEOUT_S) -> Iterator[World]:
    """`join`, and leave at the end; all ranks leave together unless one fails, which leaves at once."""
    world = join(timeout_s)
    try:
        yield world
        if world.size > 1:
            dist.barrier(device_ids=[world.local_rank] if world.device.type == "cuda" else None)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def together(world: World) -> Iterator[None]:
    """End all processes when the block fails on one: rank 0 raises the first fault, the others exit silently.

    No rank may wait for another inside. Every rank must call it.
    """
    fault: Exception | None = None
    try:
        yield
    except (TrackerError, OSError) as error:
        fault = error
    _share(fault, world)


def _share(fault: Exception | None, world: World) -> None:
    faults = [fault]
    if world.size > 1:
        faults = [None] * world.size
        dist.all_gather_object(faults, fault)
    first = next((one for one in faults if one is not None), None)
    if first is None:
        return
    if world.leads:
        raise first
    raise SystemExit(WRONG_USE) from first


@contextmanager
def first_on_its_machine(world: World) -> Iterator[None]:
    """`together`, in local rank 0 of every machine, then in the others: it may fill a cache."""
    first = world.local_rank == 0
    if not first:
        _share(None, world)
    with together(world):
        yield
    if first:
        _share(None, world)


def of_rank_0(value: T, world: World) -> T:
    """Return rank 0's `value` on every rank; it must be picklable, and every rank must call this."""
    if world.size == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def world_sum(value: Tensor, world: World) -> Tensor:
    """`value` added up over the ranks, without gradient; same shape and dtype. Every rank must call it."""
    total = value.detach().clone()
    if world.size > 1:
        dist.all_reduce(total)
    return total


class _Loss(nn.Module):
    """A loss as the forward of a module: DDP sees only what passes through forward."""

    def __init__(self, module: nn.Module, loss: Callable[..., Any]) -> None:
        super().__init__()
        self.module, self.loss = module, loss

    def forward(self, *arguments: Any) -> Any:
        return self.loss(*arguments)


def data_parallel(
    module: nn.Module,
    loss: Callable[..., Any],
    world: World,
    hook: Hook | None = None,
    bucket_mb: float = 25.0,
    unused: bool = False,
) -> nn.Module:
    """`loss` as a module whose backward leaves the same averaged gradients in `module` on all ranks.

    Args:
        module: holds every parameter that `loss` trains; which of them require
            gradients is fixed from here on, so each phase wraps anew.
        loss: called with the arguments of the result, returns a loss (and more).
        hook: how a bucket of gradients is averaged; None is DDP's own all-reduce.
        bucket_mb: gradients of about so many MiB travel together.
        unused: whether some trained parameters may get no gradient from `loss`.

    Raises:
        DistributedError: nothing in `module` requires a gradient.

    Rank 0's parameters and buffers go to all ranks now; buffers move apart
    afterwards (`average_buffers`). A world of one gets the plain module.
    """
    step = _Loss(module, loss)
    if not any(p.requires_grad for p in module.parameters()):
        raise DistributedError("data_parallel: no parameter of the module requires a gradient")
    if world.size == 1:
        return step
    ddp = DistributedDataParallel(
        step,
        device_ids=[world.local_rank] if world.device.type == "cuda" else None,
        forward_sync_buffers=False,
        bucket_cap_mb=bucket_mb,
        find_unused_parameters=unused,
        gradient_as_bucket_view=True,
    )
    if hook is not None:
        ddp.register_comm_hook(None, _with_state(hook))
    return ddp


def _with_state(hook: Hook) -> Callable[[None, GradBucket], torch.futures.Future[Tensor]]:
    def with_state(state: None, bucket: GradBucket) -> torch.futures.Future[Tensor]:
        return hook(bucket)

    return with_state


def unsynchronised(step: nn.Module) -> AbstractContextManager[None]:
    """Gradients only accumulate on this rank inside: all micro-batches but the last, forward included."""
    return step.no_sync() if isinstance(step, DistributedDataParallel) else nullcontext()


@torch.no_grad()
def average_buffers(module: nn.Module, world: World) -> None:
    """Set floating buffers (running moments) to their mean over the ranks, in place, in one message.

    Groups of batch norm smaller than the world have moments of their own;
    what is saved is then an average of all. Every rank must call it.
    """
    buffers = [b for b in module.buffers() if b.is_floating_point()]
    if world.size == 1 or not buffers:
        return
    flat = torch.cat([b.double().flatten() for b in buffers])
    dist.all_reduce(flat)
    means = (flat / world.size).split([b.numel() for b in buffers])
    for buffer, mean in zip(buffers, means, strict=True):
        buffer.copy_(mean.view_as(buffer))
