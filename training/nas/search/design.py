"""A tracking backbone as a point of the search: one cell, and how often, how wide and how it is built.

The skeleton is depthgate's: four stages, the first two on the search crop at
half size, the last two on the whole one, each ending on the 16×16 grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.backbone import StageSpec
from models.cell_spec import MAX_VERTICES, OPS
from models.exits import HeadSpec
from models.nas.raw_index import raw_index
from models.nas.space import Space, edge_bit, enumerate_space
from models.network import MAP_PX, NetworkSpec
from training.nas.search.searchers import POWERS, Mutations, Raw, random_cells

SIDES = (128, None, 256, None)
WIDTHS = (64, 96, 96, 128)
STEMS: tuple[tuple[int, ...], ...] = ((16, 32, 64), (), (16, 24, 48, 96), ())
HEADS = (HeadSpec(48, branches=0),) * 4

CHOICES: dict[str, tuple[Any, ...]] = {
    "scale": (0.5, 0.75, 1.0, 1.25),
    "depths": ((1, 1, 1, 1), (1, 1, 2, 2), (1, 2, 2, 3), (2, 2, 3, 3)),
    "early": (False, True),
    "separable": (False, True),
    "squeeze": (False, True),
}
CHANNELS_AT_ONCE = 8


@dataclass(frozen=True)
class Design:
    """One backbone.

    Attributes:
        raw: the cell, before pruning.
        scale: of all widths; depths: cells in each stage.
        early: whether the first cell of a stage that reads pixels works at stride 8 instead of 16.
        separable, squeeze: how the cell's 3×3 and its output are realised.
    """

    raw: Raw
    scale: float = 1.0
    depths: tuple[int, ...] = (1, 1, 2, 2)
    early: bool = False
    separable: bool = False
    squeeze: bool = False

    @classmethod
    def of_row(cls, row: int, **choices: Any) -> "Design":
        """Make the design of a cell of the space by its row."""
        cell = enumerate_space()[row]
        place = {cell.output: MAX_VERTICES - 1}
        adj = sum(1 << edge_bit(i, place.get(j, j)) for i, j in cell.edges)
        ops = sum(OPS.index(op) * int(power) for op, power in zip(cell.ops, POWERS, strict=False))
        return cls(Raw(adj, ops), **choices)

    @property
    def row(self) -> int:
        """Of the cell in the space."""
        return raw_index().row(*self.raw)

    def network(self, space: Space) -> NetworkSpec:
        """Return the network with an exit after every stage."""
        cell = space[self.row]
        stages = []
        for side, stem, width, depth in zip(SIDES, STEMS, WIDTHS, self.depths, strict=True):
            early = self.early and side is not None
            widths = tuple(_channels(w * self.scale) for w in stem)
            stages.append(
                StageSpec(
                    side=side,
                    stem=widths[:-1] if early else widths,
                    width=_channels(width * self.scale),
                    cells=(cell,) * (depth - early),
                    early=(cell,) * early,
                    separable=self.separable,
                    squeeze=self.squeeze,
                )
            )
        return NetworkSpec(tuple(stages), HEADS)

    def features(self) -> float:
        """Count the numbers that the cells hand on for one frame: channels × positions, over all cells.

        What a design can say, whatever its cell and its realisation cost.
        """
        total = 0
        for side, stem, width, depth in zip(SIDES, STEMS, WIDTHS, self.depths, strict=True):
            early = self.early and side is not None
            total += (depth - early) * _channels(width * self.scale) * MAP_PX**2
            if early:
                total += _channels(stem[-2] * self.scale) * (2 * MAP_PX) ** 2
        return float(total)


def _channels(width: float) -> int:
    return max(CHANNELS_AT_ONCE, round(width / CHANNELS_AT_ONCE) * CHANNELS_AT_ONCE)


def random_design(rng: np.random.Generator, rows: Sequence[int] = ()) -> Design:
    """Draw a cell of `rows`, or one as random search draws it; everything else uniform."""
    choices = {name: _drawn(rng, values) for name, values in CHOICES.items()}
    return Design.of_row(_drawn(rng, rows), **choices) if rows else Design(next(random_cells(rng)), **choices)


def mutate(design: Design, mutations: Mutations, rng: np.random.Generator) -> Design:
    """Change one thing: in half of the cases the cell, else one of the choices around it."""
    if rng.random() < 0.5:
        return replace(design, raw=mutations.of(design.raw))
    name = str(rng.choice(list(CHOICES)))
    return replace(design, **{name: _drawn(rng, [c for c in CHOICES[name] if c != getattr(design, name)])})


def _drawn(rng: np.random.Generator, choices: Sequence[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]
