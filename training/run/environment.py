"""What a run's result must be read with."""

from typing import Any

import torch

from eval.results.host import describe_host
from training.data.image_folder import ImageFolder
from training.data.open import Pictures
from training.distributed.world import World
from training.recipe.schema import Recipe


def environment(recipe: Recipe, data: Pictures, bf16: bool, world: World) -> dict[str, Any]:
    """Collect commit, host of rank 0, versions, device, precision and data."""
    host = describe_host()
    return {
        "commit": host["commit"],
        "cpu": host["cpu"],
        "flags": " ".join(host["flags"]),
        "torch": torch.__version__,
        "python": host["python"],
        "precision": "bf16" if bf16 else "fp32",
        "device": torch.cuda.get_device_name(world.device) if world.device.type == "cuda" else "cpu",
        "processes": world.size,
        "threads": recipe.threads,
        "data_digest": data.digest,
        "items": len(data.train) if isinstance(data, ImageFolder) else len(data.track),
        "epoch_samples": recipe.data.epoch_samples,
    }
