"""A batch on the device that the network runs on.

On CUDA the arrays go through pinned memory and are copied while the host goes
on; on the CPU the tensors share the arrays' memory.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.data.pairs import Batch


@dataclass(frozen=True)
class TensorBatch:
    """Batch as tensors: crops uint8 N×s×s×3 BGR by side, boxes float32 N×4, present bool N."""

    search: dict[int, Tensor]
    template: dict[int, Tensor]
    boxes: Tensor
    present: Tensor


def to_device(batch: Batch, device: torch.device) -> TensorBatch:
    """All arrays of `batch` on `device`; kernels launched after it see them whole."""
    return TensorBatch(
        {side: copied(crop, device) for side, crop in batch.search.items()},
        {side: copied(crop, device) for side, crop in batch.template.items()},
        copied(batch.boxes, device),
        copied(batch.present, device),
    )


def copied(array: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    """Copy the array to a tensor on `device`, asynchronously where the device can."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def on_host(crops: npt.NDArray[np.uint8] | Tensor) -> npt.NDArray[np.uint8]:
    """Crops as an array, whole when it returns."""
    return crops.cpu().numpy() if isinstance(crops, Tensor) else crops


def device_of(module: nn.Module) -> torch.device:
    """Where its parameters are."""
    return next(module.parameters()).device
