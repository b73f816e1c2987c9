"""The tracking backbone: stages of NAS-Bench-101 cells that end on one common grid.

Every stage ends at stride 16 of the large search crop, so that each exit sees
the same 16×16 map (8×8 for a template). A stage that reads pixels brings a
stem of stride-2 convolutions; cell j of the map is centred on pixel 16·j.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from models.cell import Cell, conv_bn, separable_halving
from models.cell_spec import CellSpec


@dataclass(frozen=True)
class StageSpec:
    """One stage.

    Attributes:
        side: side in pixels of the search crop that it reads; None: it reads only the carry.
        stem: widths of the stride-2 convolutions from pixels to the grid.
        width: channels of its output.
        cells: its cells, in order.
        early: cells before those, on a grid twice as fine: the stem is one convolution
            shorter, and a stride-2 convolution follows them.
        separable, squeeze: how the cells are realised (models.cell.Cell).
        separable_stem: the stride-2 convolutions after the first are split into depthwise and pointwise ones.
    """

    side: int | None
    stem: tuple[int, ...]
    width: int
    cells: tuple[CellSpec, ...]
    early: tuple[CellSpec, ...] = ()
    separable: bool = False
    squeeze: bool = False
    separable_stem: bool = False


class Stage(nn.Module):
    """Pixels and carry in, features N×width×h×w out (also the carry of the next stage)."""

    def __init__(self, spec: StageSpec, carry: int | None) -> None:
        super().__init__()
        widths = (3, *spec.stem)
        halve = separable_halving if spec.separable_stem else partial(conv_bn, kernel=3, stride=2)
        self.stem = nn.Sequential(
            *(conv_bn(3, b, 3, stride=2) for b in spec.stem[:1]),
            *(halve(a, b) for a, b in pairwise(spec.stem)),
        )
        self.early = nn.Sequential(
            *(Cell(cell, widths[-1], widths[-1], spec.separable, spec.squeeze) for cell in spec.early)
        )
        start = widths[-1] if spec.stem else carry
        assert start is not None, "the first stage reads pixels"
        if spec.early:
            self.early.append(halve(start, spec.width))
            start = spec.width
        self.join = conv_bn(carry, start, 1) if spec.stem and carry is not None else None
        inputs = [start, *[spec.width] * len(spec.cells)][: len(spec.cells)]
        self.cells = nn.Sequential(
            *(
                Cell(cell, cin, spec.width, spec.separable, spec.squeeze)
                for cell, cin in zip(spec.cells, inputs, strict=True)
            )
        )

    def forward(self, crop: Tensor | None, carry: Tensor | None) -> Tensor:
        """Run the stage on crop N×3×side×side, 0 … 255, and carry N×C×h×w, those that it reads."""
        if crop is None:
            assert carry is not None
            features: Tensor = self.cells(carry)
            return features
        x = self.early(self.stem(crop))
        if self.join is not None:
            x = x + self.join(carry)
        features = self.cells(x)
        return features


class Backbone(nn.Module):
    """Stages in a row; each one's features are the next one's carry."""

    def __init__(self, specs: tuple[StageSpec, ...]) -> None:
        super().__init__()
        carries = [None, *(spec.width for spec in specs[:-1])]
        self.specs = specs
        stages = nn.ModuleList(Stage(s, c) for s, c in zip(specs, carries, strict=True))
        self.stages = cast("Sequence[Stage]", stages)

    def forward(self, crops: dict[int, Tensor]) -> list[Tensor]:
        """Run every stage and return its features.

        Args:
            crops: N×3×s×s pixels by the side of the *search* crop that a stage is built for; a template
                is passed under the same keys at half the side.
        """
        features: list[Tensor] = []
        for spec, stage in zip(self.specs, self.stages, strict=True):
            crop = None if spec.side is None else crops[spec.side]
            features.append(stage(crop, features[-1] if features else None))
        return features
