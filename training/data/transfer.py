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
    """Copy all arrays of `batch` to `device`; kernels launched after it see them whole."""
    return TensorBatch(
        {side: copy_to(crop, device) for side, crop in batch.search.items()},
        {side: copy_to(crop, device) for side, crop in batch.template.items()},
        copy_to(batch.boxes, device),
        copy_to(batch.present, device),
    )


def copy_to(array: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    """Copy the array to a tensor on `device`, asynchronously where the device can."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def on_host(crops: npt.NDArray[np.uint8] | Tensor) -> npt.NDArray[np.uint8]:
    """Return crops as an array, whole when it returns."""
    return crops.cpu().numpy() if isinstance(crops, Tensor) else crops


def device_of(module: nn.Module) -> torch.device:
    """Return the device of the module's parameters."""
    return next(module.parameters()).device
