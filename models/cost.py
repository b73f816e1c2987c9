"""What a depth costs: the committed, measured table that training uses."""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from models.exits import EMBEDDING, TEMPLATE_CELLS
from models.network import MAP_PX, DepthGate

TABLE = Path(__file__).with_name("costs.json")


def stage_seconds() -> list[float]:
    """Measured seconds of each stage with its exit (ONNX Runtime, one thread), from costs.json."""
    return [float(s) for s in json.loads(TABLE.read_text())["seconds"]]


def relative_costs(depths: int) -> Tensor:
    """D cumulative costs of stopping at each depth, relative to full depth: the last is 1."""
    seconds = torch.tensor(stage_seconds())
    assert len(seconds) == depths, "costs.json was measured on another network"
    total = torch.cumsum(seconds, 0)
    return total / total[-1]


def macs(network: DepthGate) -> list[int]:
    """Multiply-accumulates of each stage with its exit, for one frame (convolutions and the correlation)."""
    counts: list[int] = []

    def count(module: nn.Module, _: object, out: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        kernel = module.kernel_size[0] * module.kernel_size[1] * module.in_channels // module.groups
        counts.append(out[0].numel() * kernel)

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    per_stage: list[int] = []
    carry: Tensor | None = None
    with torch.inference_mode():
        for k, spec in enumerate(network.spec.stages, start=1):
            counts.clear()
            crop = None if spec.side is None else torch.zeros(1, 3, spec.side, spec.side)
            template = torch.zeros(1, TEMPLATE_CELLS + 1, EMBEDDING)
            carry = network.stage(k, crop, carry, template).carry
            per_stage.append(sum(counts) + TEMPLATE_CELLS * EMBEDDING * MAP_PX**2)
    for hook in hooks:
        hook.remove()
    return per_stage
