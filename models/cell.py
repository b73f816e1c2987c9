"""The NAS-Bench-101 cell as a module, with the exact channel rules of the original.

Source: google-research/nasbench, model_builder.py: the output concatenates,
interior vertices add, edges from the input are projected by a 1×1, and an
edge input→output is projected to the full width and added.
"""

import torch
from torch import Tensor, nn

from models.cell_spec import CONV1X1, CONV3X3, CellSpec


def vertex_channels(cin: int, cout: int, spec: CellSpec) -> list[int]:
    """Return the width of every vertex (compute_vertex_channels of the original).

    The F interior vertices that feed the output share cout: cout // F each,
    the first cout % F of them one more. Any other interior vertex takes the
    widest of its successors.
    """
    last = spec.output
    feeding = [v for v in spec.sources(last) if v != 0]
    channels = [cin] + [0] * (last - 1) + [cout]
    for order, v in enumerate(feeding):
        channels[v] = cout // len(feeding) + (order < cout % len(feeding))
    for v in reversed(range(1, last)):
        if v not in feeding:
            channels[v] = max(channels[j] for j in spec.targets(v))
    return channels


def conv_bn(cin: int, cout: int, kernel: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Make a convolution without bias, padded by kernel // 2, with batch norm and, if `relu`, a ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(cout),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def separable(channels: int, kernel: int) -> nn.Sequential:
    """Make a depthwise kernel×kernel and a pointwise 1×1, each with batch norm, ReLU at the end."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        conv_bn(channels, channels, 1),
    )


def separable_halving(cin: int, cout: int) -> nn.Sequential:
    """Make a depthwise 3×3 of stride 2 and a pointwise 1×1, each with batch norm, ReLU at the end."""
    return nn.Sequential(
        nn.Conv2d(cin, cin, 3, 2, padding=1, groups=cin, bias=False),
        nn.BatchNorm2d(cin),
        conv_bn(cin, cout, 1),
    )


class SqueezeExcite(nn.Module):
    """Channels weighed by what the whole map shows, N×C×H×W to the same (Hu et al., arXiv 1709.01507)."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // reduction, 1)
        self.excite = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.excite(seen))


def _operation(op: str, channels: int, separable_3x3: bool) -> nn.Module:
    if op == CONV3X3:
        return separable(channels, 3) if separable_3x3 else conv_bn(channels, channels, 3)
    if op == CONV1X1:
        return conv_bn(channels, channels, 1)
    return nn.MaxPool2d(3, stride=1, padding=1)


class Cell(nn.Module):
    """N×cin×H×W to N×cout×H×W; `spec` is pruned and validated here.

    The benchmark's cell is dense; `separable_3x3` splits every 3×3 into a
    depthwise and a pointwise one, `squeeze` weighs the output's channels.
    """

    def __init__(
        self, spec: CellSpec, cin: int, cout: int, separable_3x3: bool = False, squeeze: bool = False
    ) -> None:
        super().__init__()
        self.spec = spec.validated()
        self.channels = vertex_channels(cin, cout, self.spec)
        last = self.spec.output
        self.ops = nn.ModuleList(
            _operation(op, self.channels[v], separable_3x3) for v, op in enumerate(self.spec.ops, start=1)
        )
        self.projections = nn.ModuleDict(
            {
                str(v): conv_bn(cin, self.channels[v], 1)
                for v in self.spec.targets(0)
                if v != last or last == 1
            }
        )
        self.skip = conv_bn(cin, cout, 1) if last != 1 and (0, last) in self.spec.edges else None
        self.weigh = SqueezeExcite(cout) if squeeze else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.weigh(self._graph(x))
        return out

    def _graph(self, x: Tensor) -> Tensor:
        last = self.spec.output
        if last == 1:
            projected: Tensor = self.projections["1"](x)
            return projected
        values: list[Tensor] = [x]
        for v in range(1, last):
            width = self.channels[v]
            terms = [
                self.projections[str(v)](x) if i == 0 else values[i][:, :width] for i in self.spec.sources(v)
            ]
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            values.append(self.ops[v - 1](total))
        feeding = [values[v] for v in self.spec.sources(last) if v != 0]
        out = feeding[0] if len(feeding) == 1 else torch.cat(feeding, 1)
        return out if self.skip is None else out + self.skip(x)
