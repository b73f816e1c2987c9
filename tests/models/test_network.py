import numpy as np
import pytest
import torch

from models.cost import macs, relative_costs
from models.network import DepthGate, pixels
from models.registry import CELL, NETWORKS, build


@pytest.fixture(scope="module")
def network() -> DepthGate:
    torch.manual_seed(0)
    return build("depthgate-s").eval()


def crops(side: int, n: int = 1) -> dict[int, torch.Tensor]:
    rng = torch.Generator().manual_seed(side)
    return {s: torch.rand(n, 3, s * side // 256, s * side // 256, generator=rng) * 255 for s in (128, 256)}


def test_the_shipped_network_uses_a_measured_cell():
    assert CELL.hash().startswith("0b43c21229ac")
    assert len(NETWORKS["depthgate-s"].stages) >= 4


def test_every_exit_answers_on_the_same_grid(network):
    results = network(crops(128, 2), crops(256, 2))
    assert [r.score.shape for r in results] == [(2, 1, 16, 16)] * 4
    assert [r.ltrb.shape for r in results] == [(2, 4, 16, 16)] * 4
    assert [r.gate is None for r in results] == [False, False, False, True]


def test_stage_by_stage_equals_the_whole(network):
    template, search = crops(128), crops(256)
    whole = network(template, search)
    kernels = network.template(template)
    carry = None
    for k, (stage, expected) in enumerate(zip(network.spec.stages, whole, strict=True), start=1):
        got = network.stage(k, None if stage.side is None else search[stage.side], carry, kernels[k - 1])
        carry = got.carry
        assert torch.equal(got.score, expected.score)


def test_a_later_stage_does_not_change_an_earlier_exit(network):
    template, search = crops(128), crops(256)
    before = network(template, search)[0].score
    search[256] = torch.zeros_like(search[256])
    assert torch.equal(network(template, search)[0].score, before)


def test_pixels_keep_their_values():
    crop = torch.from_numpy(np.arange(2 * 3 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 3))
    assert pixels(crop)[1, 2, 0, 1] == crop[1, 0, 1, 2]


def test_macs_of_the_first_stage_by_hand(network):
    """Stem 3→16→32→64 on 128², the cell's 1×1 and 3×3 vertices on 16², then the exit."""
    stem = 3 * 16 * 9 * 64**2 + 16 * 32 * 9 * 32**2 + 32 * 64 * 9 * 16**2
    cell = 0
    module = network.backbone.stages[0].cells[0]
    for v, op in enumerate(module.spec.ops, start=1):
        kernel = 9 if op.startswith("conv3x3") else 1
        cell += module.channels[v] ** 2 * kernel * 256
    for v in module.spec.targets(0):
        cell += 64 * module.channels[v] * 256
    c = 48
    heads = 2 * (c * 25 + c * c) + c * 1 + c * 4
    exit_ = (64 * 96 + (64 + 96) * c + c * c * 9 + heads + 64 * 96) * 256
    with_exit, without = macs(network)
    assert with_exit[0] == stem + cell + exit_
    assert without[0] == stem + cell and len(without) == 3


def test_costs_are_cumulative_and_relative_to_full_depth():
    costs = relative_costs(NETWORKS["depthgate-s"])
    assert costs[-1] == 1 and (costs.diff() > 0).all()


def test_an_unknown_network_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="depthgate-s"):
        build("depthgate-xs")
