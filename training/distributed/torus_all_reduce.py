"""2-D torus all-reduce, as a communication hook of DistributedDataParallel.

Ranks lie on a mesh of rows × columns, rank = row · columns + column. A
vector is summed by reduce-scatter along rows, all-reduce along columns,
all-gather along rows, so that a step has max(rows, columns) neighbours to
pass instead of rows · columns. Two halves do so at once, one starting along
rows, the other along columns: both axes' links are busy in every phase.

Source: Ying et al. 2018, arXiv 1811.06992 (halves over both axes); Mikami et
al. 2018, arXiv 1811.05233 (the three phases).

Overlap on gloo: a worker thread reduces one bucket after the other while the
backward of earlier layers goes on, and the two halves of a bucket travel
together. The phases of a bucket wait for one another in that thread, since
gloo's reduce-scatter offers no future to chain, and buckets do not overlap.
On nccl the same calls are queued on a stream of their own.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import GradBucket
from torch.distributed.device_mesh import DeviceMesh
from torch.futures import Future

from training.distributed.world import DistributedError, Hook, World

ALONG_COLUMNS, ALONG_ROWS = "along_columns", "along_rows"
GRADIENT_DTYPES = {"full": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def mesh_shape(size: int) -> tuple[int, int]:
    """Rows ≤ columns with rows · columns = size and as square as can be; a prime is 1 × size."""
    rows = next(r for r in range(math.isqrt(size), 0, -1) if size % r == 0)
    return rows, size // rows


def torus_mesh(world: World, shape: tuple[int, int] | None = None) -> DeviceMesh | None:
    """Arrange the ranks as a torus: a 2-D mesh, 1-D for 1×n and n×1, None for a world of one.

    Every rank must call it. Its groups belong to it alone and carry the
    world's timeout. Dimension `along_rows` is the group of the ranks of *my*
    row, `along_columns` that of my column.

    Raises:
        DistributedError: the shape does not hold exactly the processes there are.
    """
    rows, columns = shape or mesh_shape(world.size)
    if rows < 1 or columns < 1 or rows * columns != world.size:
        raise DistributedError(
            f"torus: got {rows}×{columns} for {world.size} processes, expected for example {{}}×{{}}".format(
                *mesh_shape(world.size)
            )
        )
    if world.size == 1:
        return None
    ranks = torch.arange(world.size).view(rows, columns)
    device = world.device.type
    if 1 in (rows, columns):
        return DeviceMesh.from_group(_group(ranks.flatten(), world), device)
    row, column = divmod(world.rank, columns)
    of_my_row, of_my_column = _group(ranks[row], world), _group(ranks[:, column], world)
    names = (ALONG_COLUMNS, ALONG_ROWS)
    return DeviceMesh.from_group([of_my_column, of_my_row], device, mesh=ranks, mesh_dim_names=names)


def _group(ranks: Tensor, world: World) -> dist.ProcessGroup:
    group: dist.ProcessGroup = dist.new_group(
        ranks.tolist(), timeout=world.timeout, use_local_synchronization=True
    )
    return group


@torch.no_grad()
def torus_all_reduce_(flat: Tensor, mesh: DeviceMesh | None) -> Tensor:
    """Replace a 1-D tensor by its sum over the mesh, in place; any length, same on all ranks.

    A 1-D mesh does a flat all-reduce, no mesh nothing. Ranks of one mesh must
    call it in the same order. The result is bit-identical on all ranks, but
    may differ from a flat all-reduce by the order of additions.
    """
    if mesh is None:
        return flat
    if mesh.ndim == 1:
        dist.all_reduce(flat, group=mesh.get_group())
        return flat
    row, column = mesh.get_group(ALONG_ROWS), mesh.get_group(ALONG_COLUMNS)
    rows, columns = column.size(), row.size()
    half = math.ceil(flat.numel() / (2 * rows * columns)) * rows * columns
    padded = flat.new_zeros(2 * half)
    padded[: flat.numel()] = flat
    one, other = padded.split(half)
    part, other_part = flat.new_empty(half // columns), flat.new_empty(half // rows)
    _wait(
        dist.reduce_scatter_single(part, one, group=row, async_op=True),
        dist.reduce_scatter_single(other_part, other, group=column, async_op=True),
    )
    _wait(
        dist.all_reduce(part, group=column, async_op=True),
        dist.all_reduce(other_part, group=row, async_op=True),
    )
    _wait(
        dist.all_gather_single(one, part, group=row, async_op=True),
        dist.all_gather_single(other, other_part, group=column, async_op=True),
    )
    return flat.copy_(padded[: flat.numel()])


def _wait(*works: dist.Work) -> None:
    for work in works:
        work.wait()


def torus_hook(mesh: DeviceMesh | None, world: World, gradients: str = "full") -> Hook | None:
    """Averages a bucket of gradients over the torus; for `data_parallel`. None for a world of one.

    Args:
        mesh: of `torus_mesh`; one hook a mesh, since hooks on one mesh would race.
        gradients: full (their own dtype), bf16 or fp16 on the wire, whose sums round at every step.

    Raises:
        DistributedError: another word for `gradients`.

    Gradients are divided by the number of processes before they are summed,
    so that fp16 does not overflow.
    """
    if gradients not in GRADIENT_DTYPES:
        raise DistributedError(
            f"torus: gradients got {gradients!r}, expected one of {', '.join(GRADIENT_DTYPES)}"
        )
    if mesh is None:
        return None
    dtype = GRADIENT_DTYPES[gradients]

    @torch.no_grad()
    def average(buffer: Tensor) -> Tensor:
        part = buffer / world.size
        return buffer.copy_(torus_all_reduce_(part if dtype is None else part.to(dtype), mesh))

    return _on_a_stream(average, world.device) if world.device.type == "cuda" else _in_a_thread(average)


def gradient_hook(world: World, all_reduce: str, gradients: str) -> Hook | None:
    """Return the hook that a recipe asks for; None for a ring on gloo, which is DDP's own all-reduce.

    Args:
        all_reduce: ring or torus, as square as can be.
        gradients: as of `torus_hook`.
    """
    if all_reduce == "ring" and gradients == "full":
        return None
    shape = (1, world.size) if all_reduce == "ring" else None
    return torus_hook(torus_mesh(world, shape), world, gradients)


def _in_a_thread(average: Callable[[Tensor], Tensor]) -> Hook:
    """One worker: buckets are reduced in the order that DDP hands them over, the same on all ranks."""
    worker = ThreadPoolExecutor(1, "torus")

    def hook(bucket: GradBucket) -> Future[Tensor]:
        done: Future[Tensor | Exception] = Future()
        buffer = bucket.buffer()

        def work() -> None:
            try:
                done.set_result(average(buffer))
            except Exception as error:  # DDP must raise it: an unfinished future would hang the backward
                done.set_result(error)

        worker.submit(work)
        return done.then(_value_or_raise)

    return hook


def _value_or_raise(done: Future[Tensor | Exception]) -> Tensor:
    value = done.value()
    if isinstance(value, Exception):
        raise value
    return value


def _on_a_stream(average: Callable[[Tensor], Tensor], device: torch.device) -> Hook:
    """Average on a side stream; the future records what is queued there, and DDP waits for it."""
    side = torch.cuda.Stream(device)

    def hook(bucket: GradBucket) -> Future[Tensor]:
        done: Future[Tensor] = Future(devices=[device])
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            done.set_result(average(bucket.buffer()))
        return done

    return hook
