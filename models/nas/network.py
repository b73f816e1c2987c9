"""The image classifier that NAS-Bench-101 measured: three stacks of three equal cells.

Source: Ying et al. 2019, arXiv 1902.09635, section 2.1 and figure 1:
a 3×3 stem of 128 channels; before the second and third stack the map is
halved by max pooling and the width doubled; global mean; one dense layer.
"""

from torch import Tensor, nn

from models.cell import Cell, conv_bn
from models.cell_spec import CellSpec

STEM_CHANNELS, STACKS, CELLS_PER_STACK, CLASSES = 128, 3, 3, 10


class NasBenchNetwork(nn.Module):
    """N×3×32×32 pictures to N×10 logits; `stem` channels at first, `cells` in each of three stacks."""

    def __init__(self, spec: CellSpec, stem: int = STEM_CHANNELS, cells: int = CELLS_PER_STACK) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(3, stem, 3)]
        cin = stem
        for stack in range(STACKS):
            cout = stem * 2**stack
            if stack > 0:
                layers.append(nn.MaxPool2d(2))
            for _ in range(cells):
                layers.append(Cell(spec, cin, cout))
                cin = cout
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(cin, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.features(x).mean((2, 3)))
        return logits


def parameters(spec: CellSpec) -> int:
    """Trainable parameters of the full network: 227,274 … 49,979,274 over the space."""
    return sum(p.numel() for p in NasBenchNetwork(spec).parameters())
