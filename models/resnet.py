"""Bottleneck ResNets for classifying pictures; ResNet-50 is what large-batch training is measured on.

Source: He et al. 2016, arXiv 1512.03385, table 1, with the stride in the 3×3
convolution ("v1.5", as in fb.resnet.torch); He initialisation, the dense layer
from N(0, .01²), and γ = 0 in the last batch norm of every block, so that a
block begins as its shortcut: Goyal et al. 2017, arXiv 1706.02677, section 5.1.
"""

from torch import Tensor, nn

from models.cell import conv_bn

EXPANSION = 4
WIDTH = 64
RESNET_50 = (3, 4, 6, 3)


class Bottleneck(nn.Module):
    """N×cin×h×w to N×4·width×h/stride×w/stride: 1×1, 3×3 with the stride, 1×1, beside a shortcut."""

    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        cout = EXPANSION * width
        widened = conv_bn(width, cout, 1, relu=False)
        self.residual = nn.Sequential(conv_bn(cin, width, 1), conv_bn(width, width, 3, stride), widened)
        same = stride == 1 and cin == cout
        self.shortcut = nn.Identity() if same else conv_bn(cin, cout, 1, stride, relu=False)
        self.relu = nn.ReLU(inplace=True)
        norm = widened[-1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.zeros_(norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.residual(x) + self.shortcut(x))
        return out


class ResNet(nn.Module):
    """N×3×s×s pictures to N×classes logits; the last map is 1/32 of s, its mean goes to one dense layer.

    Args:
        blocks: bottlenecks in each of the stages; every stage after the first halves the map.
        width: channels of the stem and of the first stage's 3×3; they double with every stage.
    """

    def __init__(self, classes: int, blocks: tuple[int, ...] = RESNET_50, width: int = WIDTH) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(3, width, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)]
        cin = width
        for stage, count in enumerate(blocks):
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                layers.append(Bottleneck(cin, width * 2**stage, stride))
                cin = EXPANSION * width * 2**stage
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(cin, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.zeros_(self.classify.bias)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.features(x).mean((2, 3)))
        return logits
