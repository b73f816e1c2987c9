import pytest
import torch
from torch import nn

from models.registry import build_classifier
from models.resnet import ResNet


@pytest.mark.parametrize(
    "classes, parameters",
    [
        pytest.param(1_000, 25_557_032, id="as published for ImageNet"),
        pytest.param(10, 25_557_032 - 990 * 2_049, id="990 rows of the dense layer less"),
    ],
)
def test_parameters_of_resnet_50(classes, parameters):
    assert sum(p.numel() for p in build_classifier("resnet50", classes).parameters()) == parameters


def test_maps_halve_five_times():
    network = ResNet(7, blocks=(1, 1, 1, 1), width=4).eval()
    x = torch.rand(2, 3, 64, 64)
    assert network.features(x).shape == (2, 4 * 4 * 8, 2, 2)
    assert network(x).shape == (2, 7)


def test_the_stride_lies_in_the_3x3():
    strided = [m.kernel_size for m in ResNet(7).modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    assert strided.count((3, 3)) == 3 and strided.count((1, 1)) == 3 and strided.count((7, 7)) == 1


def test_a_new_block_is_its_shortcut():
    block = ResNet(7, blocks=(2,), width=4).features[3]
    x = torch.rand(2, 16, 8, 8)
    assert torch.equal(block(x), x)


def test_an_unknown_classifier_is_answered_with_the_legal_names():
    with pytest.raises(ValueError, match=r"'resnet5', expected one of resnet50, .*did you mean 'resnet50'"):
        build_classifier("resnet5", 10)
