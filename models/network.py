"""The whole network: backbone, an exit per stage, gates between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from models.backbone import Backbone, StageSpec
from models.exits import Exit, HeadSpec, MixedExit, make_exit, statistics
from models.gates import Gate

SEARCH_PX, TEMPLATE_PX, STRIDE, MAP_PX = 256, 128, 16, 16


@dataclass(frozen=True)
class NetworkSpec:
    """Stages from the cheapest on, and the head of each one's exit."""

    stages: tuple[StageSpec, ...]
    heads: tuple[HeadSpec, ...]


@dataclass
class StageResult:
    """score N×1×h×w logits, ltrb N×4×h×w strides, statistics N×18, gate N×1 (None at D), carry N×C×h×w."""

    score: Tensor
    ltrb: Tensor
    statistics: Tensor
    gate: Tensor | None
    carry: Tensor


class DepthGate(nn.Module):
    """Siamese network with D exits; pixels are 0 … 255, BGR, N×3×s×s."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = Backbone(spec.stages)
        exits = nn.ModuleList(
            make_exit(stage.width, head) for stage, head in zip(spec.stages, spec.heads, strict=True)
        )
        self.exits = cast("Sequence[Exit | MixedExit]", exits)
        self.gates = nn.ModuleList(Gate() for _ in spec.stages[:-1])
        for module in self.backbone.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @property
    def depths(self) -> int:
        return len(self.spec.stages)

    def embed(self, crops: dict[int, Tensor]) -> list[Tensor]:
        """Embed crops for every exit, N×96×h×w each; `crops` as in Backbone.forward."""
        return [exit_.embed(f) for exit_, f in zip(self.exits, self.backbone(crops), strict=True)]

    def template(self, crops: dict[int, Tensor]) -> list[Tensor]:
        """Turn the template's crops into the rows that every exit correlates with (Exit.template)."""
        return self.templates_from(self.exits[-1].embed(self.backbone(crops)[-1]))

    def templates_from(self, embedding: Tensor) -> list[Tensor]:
        """Turn the template's embedding at the deepest exit, N×96×8×8, into the rows of every exit."""
        return [exit_.template(embedding) for exit_ in self.exits]

    def stage(self, k: int, crop: Tensor | None, carry: Tensor | None, template: Tensor) -> StageResult:
        """Run stage k (from 1) and its exit and gate; nothing else runs."""
        features = self.backbone.stages[k - 1](crop, carry)
        exit_ = self.exits[k - 1]
        score, ltrb = exit_(exit_.embed(features), template)
        seen = statistics(score, k / self.depths)
        gate = self.gates[k - 1](seen) if k < self.depths else None
        return StageResult(score, ltrb, seen, gate, features)

    def forward(self, template: dict[int, Tensor], search: dict[int, Tensor]) -> list[StageResult]:
        """Run all exits, in order."""
        kernels = self.template(template)
        results: list[StageResult] = []
        for k, stage in enumerate(self.spec.stages, start=1):
            crop = None if stage.side is None else search[stage.side]
            results.append(self.stage(k, crop, results[-1].carry if results else None, kernels[k - 1]))
        return results


def pixels(crop: Tensor) -> Tensor:
    """Convert uint8 N×s×s×3 to float N×3×s×s; the memory stays as it was (channels last)."""
    return crop.permute(0, 3, 1, 2).to(torch.float32)
