"""Designs: what they build, what they say of themselves, and what a mutation changes."""

from dataclasses import replace

import numpy as np

from models.nas.space import enumerate_space
from models.network import DepthGate
from training.nas.search.design import CHOICES, Design, mutate, random_design
from training.nas.search.searchers import Mutations


def test_a_design_of_a_row_is_of_that_row():
    for row in (0, 3, 90, 2_600, 70_000, 423_623):
        assert Design.of_row(row).row == row


def test_the_plain_design_is_the_shipped_network_with_another_cell():
    from models.registry import CELL, NETWORKS

    space = enumerate_space()
    assert Design.of_row(space.index(CELL)).network(space) == NETWORKS["depthgate-s"]


def test_every_choice_builds_and_answers_on_the_grid():
    import torch

    space = enumerate_space()
    for name, values in CHOICES.items():
        for value in values:
            design = replace(Design.of_row(19_554, scale=0.5), **{name: value})
            stages = DepthGate(design.network(space)).eval().backbone
            shapes = [
                f.shape[2:]
                for f in stages({128: torch.zeros(1, 3, 128, 128), 256: torch.zeros(1, 3, 256, 256)})
            ]
            assert shapes == [(16, 16)] * 4, (name, value)


def test_features_by_hand():
    design = Design.of_row(19_554, scale=0.5, depths=(1, 2, 2, 3))
    assert design.features() == 256 * (32 + 2 * 48 + 2 * 48 + 3 * 64)
    early = replace(design, early=True)
    assert early.features() == 256 * (2 * 48 + 48 + 3 * 64) + 1024 * (16 + 24)


def test_a_mutant_differs_in_one_thing():
    rng = np.random.default_rng(0)
    mutations, changed = Mutations(rng), set()
    parent = random_design(rng)
    for _ in range(200):
        child = mutate(parent, mutations, rng)
        different = [name for name in ("raw", *CHOICES) if getattr(child, name) != getattr(parent, name)]
        assert len(different) <= 1  # a mutated cell may come out the same
        changed.update(different)
    assert changed == {"raw", *CHOICES}
