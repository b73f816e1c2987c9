"""The named networks: trackers built from cells of NAS-Bench-101, and classifiers."""

import difflib
from collections.abc import Collection

from models.backbone import StageSpec
from models.cell_spec import CONV1X1, CONV3X3, CellSpec
from models.exits import HeadSpec
from models.network import DepthGate, NetworkSpec
from models.resnet import RESNET_50, WIDTH, ResNet

# Row 19554 of the compact table, md5 0b43c212…: .9490 validation accuracy (best of three repeats at 108
# epochs), second of the 30,001 measured cells, at 8,992,394 parameters where its peers need 30 million.
CELL = CellSpec.from_edges(
    (CONV1X1, CONV3X3, CONV3X3, CONV3X3),
    ((0, 1), (0, 2), (0, 3), (2, 3), (0, 4), (2, 4), (3, 4), (1, 5), (4, 5)),
)

# Row 685, md5 0f65f27b…: chosen, with its widths, by `app.py search select` (docs/results/nas/select.json).
SELECTED = CellSpec.from_edges(
    (CONV1X1, CONV3X3, CONV3X3),
    ((0, 1), (0, 2), (0, 3), (2, 3), (1, 4), (3, 4)),
)

LEAN, WIDE, MIXED = HeadSpec(64), HeadSpec(96, branches=2, layers=2), HeadSpec(48, branches=0)

NETWORKS = {
    "depthgate-s": NetworkSpec(
        stages=(
            StageSpec(side=128, stem=(16, 32, 64), width=64, cells=(CELL,)),
            StageSpec(side=None, stem=(), width=96, cells=(CELL,)),
            StageSpec(side=256, stem=(16, 24, 48, 96), width=96, cells=(CELL, CELL)),
            StageSpec(side=None, stem=(), width=128, cells=(CELL, CELL)),
        ),
        heads=(MIXED,) * 4,
    ),
    "depthgate-s2": NetworkSpec(
        stages=(
            StageSpec(128, (16, 32, 64), 64, (SELECTED, SELECTED), separable=True),
            StageSpec(None, (), 96, (SELECTED, SELECTED), separable=True),
            StageSpec(
                256,
                (16, 32, 64),
                128,
                (SELECTED, SELECTED),
                early=(SELECTED, SELECTED),
                separable=True,
                squeeze=True,
                separable_stem=True,
            ),
            StageSpec(None, (), 160, (SELECTED, SELECTED), separable=True, squeeze=True),
        ),
        heads=(LEAN, LEAN, WIDE, WIDE),
    ),
    "depthgate-n": NetworkSpec(
        stages=(
            StageSpec(side=128, stem=(16, 40), width=80, cells=(), early=(SELECTED,)),
            StageSpec(side=None, stem=(), width=120, cells=(SELECTED,)),
            StageSpec(side=256, stem=(16, 32, 64), width=120, cells=(), early=(SELECTED,)),
            StageSpec(side=None, stem=(), width=160, cells=(SELECTED,)),
        ),
        heads=(MIXED,) * 4,
    ),
}


CLASSIFIERS = {"resnet50": (RESNET_50, WIDTH), "resnet14_narrow": ((1, 1, 1, 1), 16)}
"""Blocks of each stage, and the first stage's width."""


def build(name: str) -> DepthGate:
    """Build a tracker's network by name, with fresh weights.

    Raises:
        ValueError: no such network has that name.
    """
    _check(name, NETWORKS)
    return DepthGate(NETWORKS[name])


def build_classifier(name: str, classes: int) -> ResNet:
    """Build a classifier by name, with fresh weights.

    Raises:
        ValueError: no classifier has that name.
    """
    _check(name, CLASSIFIERS)
    return ResNet(classes, *CLASSIFIERS[name])


def _check(name: str, legal: Collection[str]) -> None:
    if name not in legal:
        near = difflib.get_close_matches(name, legal, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"network: got {name!r}, expected one of {', '.join(legal)}{hint}")
