"""What a depth costs: the committed, measured table that training uses."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.exits import EMBEDDING, TEMPLATE_CELLS
from models.network import MAP_PX, DepthGate, NetworkSpec
from models.registry import NETWORKS
from tracker.errors import ModelError

TABLE = Path(__file__).with_name("costs.json")


def measured(spec: NetworkSpec) -> dict[str, Any]:
    """Return a network's measured costs: `seconds` of D stages, `backbone_seconds` of D − 1 without exits.

    ONNX Runtime, one thread; the host and the command stand in it.

    Raises:
        ModelError: nobody measured that network.
    """
    table: dict[str, dict[str, Any]] = json.loads(TABLE.read_text())
    name = next((name for name, known in NETWORKS.items() if known == spec), "an unnamed network")
    if name not in table:
        raise ModelError(f"costs: {name} was not measured; run python app.py search costs {name}")
    return table[name]


def relative_costs(spec: NetworkSpec) -> Tensor:
    """Return D cumulative costs of stopping at each depth, relative to full depth; raises as `measured`."""
    total = torch.cumsum(torch.tensor(measured(spec)["seconds"]), 0)
    return total / total[-1]


@contextmanager
def conv_macs(module: nn.Module) -> Iterator[dict[nn.Module, int]]:
    """Count multiply-accumulates for one sample of each convolution of `module`, in its last forward."""
    counts: dict[nn.Module, int] = {}

    def count(conv: nn.Module, _: object, out: Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        kernel = conv.kernel_size[0] * conv.kernel_size[1] * conv.in_channels // conv.groups
        counts[conv] = out[0].numel() * kernel

    hooks = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, nn.Conv2d)]
    try:
        yield counts
    finally:
        for hook in hooks:
            hook.remove()


def macs(network: DepthGate) -> tuple[list[int], list[int]]:
    """Count multiply-accumulates of one frame: of D stages with their exits, of the first D − 1 without.

    Convolutions and the correlation are counted.
    """
    backbone = set(network.backbone.modules())
    per_stage: list[int] = []
    without_exit: list[int] = []
    carry: Tensor | None = None
    with torch.inference_mode(), conv_macs(network) as counts:
        for k, spec in enumerate(network.spec.stages, start=1):
            counts.clear()
            crop = None if spec.side is None else torch.zeros(1, 3, spec.side, spec.side)
            head = network.spec.heads[k - 1]
            template = torch.zeros(1, *head.template_shape)
            carry = network.stage(k, crop, carry, template).carry
            correlations = max(1, head.branches) * TEMPLATE_CELLS * EMBEDDING * MAP_PX**2
            per_stage.append(sum(counts.values()) + correlations)
            without_exit.append(sum(n for conv, n in counts.items() if conv in backbone))
    return per_stage, without_exit[:-1]
