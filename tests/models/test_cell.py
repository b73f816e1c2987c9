import pytest
import torch
import torch.nn.functional as F

from models.cell import Cell, conv_bn, vertex_channels
from models.cell_spec import CONV1X1, CONV3X3, MAXPOOL3X3, CellSpec
from tests.models.test_cell_spec import INCEPTION


@pytest.mark.parametrize(
    "spec, cin, cout, widths",
    [
        pytest.param(INCEPTION, 128, 128, [128, 32, 32, 32, 32, 32, 128], id="four feed the output"),
        pytest.param(INCEPTION, 128, 130, [128, 33, 33, 32, 32, 32, 130], id="the first take the rest"),
        pytest.param(
            CellSpec.from_edges((CONV3X3, CONV1X1), {(0, 1), (1, 2), (2, 3)}),
            64,
            128,
            [64, 128, 128, 128],
            id="a chain keeps the full width",
        ),
        pytest.param(
            CellSpec.from_edges((CONV3X3, CONV1X1, CONV1X1), {(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)}),
            64,
            65,
            [64, 33, 33, 32, 65],
            id="an inner vertex takes its widest successor",
        ),
    ],
)
def test_channel_rules(spec, cin, cout, widths):
    assert vertex_channels(cin, cout, spec) == widths


def test_a_cell_equals_the_same_graph_written_by_hand():
    spec = CellSpec.from_edges(
        (CONV3X3, MAXPOOL3X3, CONV1X1), {(0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (3, 4), (0, 4)}
    )
    torch.manual_seed(0)
    cell = Cell(spec, 8, 12).eval()
    x = torch.randn(2, 8, 9, 9)
    w = vertex_channels(8, 12, spec)
    one = cell.ops[0](cell.projections["1"](x))
    two = F.max_pool2d(cell.projections["2"](x), 3, 1, 1)
    three = cell.ops[2](one[:, : w[3]] + two[:, : w[3]])
    by_hand = torch.cat([two, three], 1) + cell.skip(x)
    assert torch.equal(cell(x), by_hand)
    assert w[1] == max(w[3], 0) and w[2] + w[3] == 12


def test_conv_bn_keeps_or_halves_the_map():
    x = torch.zeros(1, 3, 16, 16)
    assert conv_bn(3, 4, 3)(x).shape == (1, 4, 16, 16)
    assert conv_bn(3, 4, 3, stride=2)(x).shape == (1, 4, 8, 8)
    assert not any(isinstance(m, torch.nn.ReLU) for m in conv_bn(3, 4, 1, relu=False))
