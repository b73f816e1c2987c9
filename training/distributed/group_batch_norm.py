"""Batch norm whose moments span a group of processes.

Source: Ying et al. 2018, arXiv 1811.06992, distributed batch normalization:
replicas in equal groups; Σx, Σx² and the count are summed in the group, then

    mean = Σx / n,  var = Σx² / n − mean²,  y = γ (x − mean) / √(var + ε) + β.

The batch that is normalised is group size × samples of a process, whatever
the global batch. With ḡ and h̄ the group's means of the incoming gradient g
and of g·x̂, the backward is dx = γ / √(var + ε) · (g − ḡ − x̂ h̄): a second sum.
On a GPU torch's own SyncBatchNorm does this; it refuses CPU tensors.
"""

import copy
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from training.distributed.world import DistributedError, World


def normalisation_group(world: World, size: int) -> dist.ProcessGroup | None:
    """Make the group of `size` consecutive ranks that share this rank's moments; None where it is alone.

    Every rank must call it, with the same size. The group is one of its own,
    so that these sums never queue with gradients.

    Raises:
        DistributedError: `size` does not divide the number of processes.
    """
    if size < 1 or world.size % size:
        legal = [n for n in range(1, world.size + 1) if world.size % n == 0]
        raise DistributedError(
            f"batch norm group: got {size} for {world.size} processes, expected one of {legal}"
        )
    if size == 1:
        return None
    first = world.rank // size * size
    ranks = list(range(first, first + size))
    group: dist.ProcessGroup = dist.new_group(ranks, timeout=world.timeout, use_local_synchronization=True)
    return group


def group_moments(x: Tensor, group: dist.ProcessGroup) -> tuple[Tensor, Tensor, int]:
    """Mean C and biased variance C of N×C×… over the group, and the count of values a channel.

    In float32, or x's dtype if wider. N may differ between ranks and be 0.
    Sums travel as float64, made of the local mean and variance, so that
    Σx² − mean² does not cancel.
    """
    dims = [d for d in range(x.ndim) if d != 1]
    n = x.numel() // x.shape[1]
    sums = torch.zeros(2 * x.shape[1] + 1, dtype=torch.float64, device=x.device)
    if n:
        var, mean = torch.var_mean(x.to(_wide(x)), dims, correction=0)
        mean = mean.double()
        torch.cat([n * mean, n * (var + mean * mean), sums.new_tensor([n])], out=sums)
    dist.all_reduce(sums, group=group)
    total = int(sums[-1])
    mean, square = (sums[:-1] / max(total, 1)).chunk(2)
    var = (square - mean * mean).clamp(min=0)
    return mean.to(_wide(x)), var.to(_wide(x)), total


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


class _Normalise(torch.autograd.Function):
    """x N×C×…, γ and β C or None, moments C to y like x; the moments' own gradient is in the backward."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        var: Tensor,
        total: int,
        eps: float,
        group: dist.ProcessGroup,
    ) -> Tensor:
        shape = [1, -1] + [1] * (x.ndim - 2)
        inverse = torch.rsqrt(var + eps)
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.total, ctx.group, ctx.shape = total, group, shape
        y = (x - mean.view(shape)) * inverse.view(shape)
        if weight is not None:
            y = y * weight.view(shape)
        if bias is not None:
            y = y + bias.view(shape)
        return y.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse = ctx.saved_tensors
        dims = [d for d in range(x.ndim) if d != 1]
        g = gradient.to(mean.dtype)
        normal = (x - mean.view(ctx.shape)) * inverse.view(ctx.shape)
        bias_gradient, weight_gradient = g.sum(dims), (g * normal).sum(dims)
        sums = torch.cat([bias_gradient, weight_gradient]).double()
        dist.all_reduce(sums, group=ctx.group)
        g_mean, h_mean = (part.to(g.dtype).view(ctx.shape) for part in (sums / ctx.total).chunk(2))
        scale = inverse if weight is None else inverse * weight
        dx = ((g - g_mean - normal * h_mean) * scale.view(ctx.shape)).to(x.dtype)
        needs = ctx.needs_input_grad
        return (
            dx,
            weight_gradient.to(weight.dtype) if needs[1] else None,
            bias_gradient.to(weight.dtype) if needs[2] else None,
            *[None] * 5,
        )


class GroupBatchNorm(_BatchNorm):
    """nn.BatchNorm1d/2d for N×C or N×C×H×W with moments of `group`; its state_dict is the same.

    In training every rank of the group must run the layer equally often; in
    evaluation, or where the whole group has no sample, it is plain batch norm. A deep copy shares the group.
    """

    def __init__(self, like: _BatchNorm, group: dist.ProcessGroup) -> None:
        super().__init__(like.num_features, like.eps, like.momentum, like.affine, like.track_running_stats)
        self.group = group
        self.weight, self.bias = like.weight, like.bias
        for name, buffer in like.named_buffers():
            self.register_buffer(name, buffer)
        self.train(like.training)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"batch norm: got {input.ndim} dimensions, expected N×C or N×C×H×W")

    def __deepcopy__(self, memo: dict[int, Any]) -> "GroupBatchNorm":
        memo[id(self.group)] = self.group
        twin = GroupBatchNorm.__new__(GroupBatchNorm)
        memo[id(self)] = twin
        twin.__dict__.update({k: copy.deepcopy(v, memo) for k, v in self.__dict__.items()})
        return twin

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        mean, var, total = group_moments(input.detach(), self.group)
        if total == 0:
            return super().forward(input)
        if total == 1:
            raise ValueError("batch norm: got 1 value a channel in the group, expected at least 2")
        self._follow(mean, var * total / (total - 1))
        given = (input, self.weight, self.bias, mean, var, total, self.eps, self.group)
        y: Tensor = _Normalise.apply(*given)  # type: ignore[no-untyped-call] # torch leaves it untyped
        return y

    @torch.no_grad()
    def _follow(self, mean: Tensor, unbiased: Tensor) -> None:
        """Move the running moments as nn.BatchNorm2d does; momentum None is the plain average."""
        if not self.track_running_stats:
            return
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), factor)


def convert_batch_norm(module: nn.Module, group: dist.ProcessGroup | None) -> nn.Module:
    """Let every batch norm in `module` take its moments over `group`; parameters and buffers stay.

    Layers inside are replaced in place; the result is `module`, or its
    replacement if it is a batch norm itself. None changes nothing. On a GPU
    the layers become torch's SyncBatchNorm.
    """
    if group is None:
        return module
    if any(p.is_cuda for p in module.parameters()):
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module, group)
        return converted
    if isinstance(module, _BatchNorm) and not isinstance(module, GroupBatchNorm):
        return GroupBatchNorm(module, group)
    for name, child in list(module.named_children()):
        setattr(module, name, convert_batch_norm(child, group))
    return module
