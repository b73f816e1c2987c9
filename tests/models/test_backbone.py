"""How a stage may be realised: separable, squeezed, its first cell on a finer grid."""

import pytest
import torch

from models.backbone import Stage, StageSpec
from models.cell import Cell, SqueezeExcite, separable
from models.cell_spec import CONV1X1, CONV3X3, CellSpec
from models.cost import conv_macs

CHAIN = CellSpec.from_edges((CONV3X3, CONV1X1), ((0, 1), (1, 2), (2, 3)))


def test_a_separable_cell_splits_its_3x3_and_nothing_else():
    cell = Cell(CHAIN, 8, 16, separable_3x3=True)
    dense = Cell(CHAIN, 8, 16)
    assert [m.kernel_size for m in cell.ops[0].modules() if isinstance(m, torch.nn.Conv2d)] == [
        (3, 3),
        (1, 1),
    ]
    weights = sum(p.numel() for p in cell.parameters())
    assert weights - sum(p.numel() for p in dense.parameters()) == (16 * 9 + 2 * 16 + 16 * 16) - 16 * 16 * 9


def test_separable_is_the_dense_convolution_of_rank_one_kernels():
    torch.manual_seed(0)
    layers = separable(4, 3).eval()
    depthwise, pointwise = layers[0].weight, layers[2][0].weight
    dense = torch.einsum("oi,ihw->oihw", pointwise[:, :, 0, 0], depthwise[:, 0])
    x = torch.randn(1, 4, 6, 6)
    expected = torch.relu(torch.nn.functional.conv2d(x, dense, padding=1) / (1 + 1e-5))
    assert torch.allclose(layers(x), expected, atol=1e-5)


def test_squeeze_excitation_scales_whole_channels():
    torch.manual_seed(0)
    module, x = SqueezeExcite(8), torch.rand(2, 8, 5, 5) + 0.1
    ratio = module(x) / x
    assert torch.allclose(ratio, ratio[:, :, :1, :1].expand_as(ratio), atol=1e-6)
    assert ((ratio > 0) & (ratio < 1)).all() and ratio[0, 0, 0, 0] != ratio[0, 1, 0, 0]


@pytest.mark.parametrize("cells", [0, 2])
def test_an_early_cell_works_on_a_grid_twice_as_fine(cells):
    spec = StageSpec(128, (8, 16), 24, (CHAIN,) * cells, early=(CHAIN,))
    stage = Stage(spec, None).eval()
    seen = {}
    stage.early[0].register_forward_hook(lambda m, i, o: seen.update(early=o.shape))
    assert stage(torch.rand(1, 3, 128, 128), None).shape == (1, 24, 16, 16)
    assert seen["early"] == (1, 16, 32, 32)


def test_a_carry_joins_after_the_early_cell():
    stage = Stage(StageSpec(256, (8, 8, 16), 24, (CHAIN,), early=(CHAIN,)), 12).eval()
    crop, carry = torch.rand(1, 3, 256, 256), torch.rand(1, 12, 16, 16)
    assert stage(crop, carry).shape == (1, 24, 16, 16)
    assert not torch.equal(stage(crop, carry), stage(crop, 2 * carry))


def test_macs_of_a_grouped_convolution_count_its_groups():
    with conv_macs(layers := separable(8, 3)) as counts:
        layers(torch.zeros(1, 8, 10, 10))
    assert sorted(counts.values()) == [8 * 8 * 100, 8 * 9 * 100]
