"""The memory layout of networks: channels last, in which convolutions on CPUs and GPUs are fastest."""

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """Lay out the network's convolution weights channels last, in place, and return it."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch leaves it untyped
    return network
