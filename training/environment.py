"""What a run's result must be read with."""

import subprocess
from pathlib import Path
from typing import Any

import torch

from eval.host import describe_host
from training.epoch import Pictures
from training.image_folder import ImageFolder
from training.recipe import Recipe


def environment(recipe: Recipe, data: Pictures, bf16: bool, processes: int) -> dict[str, Any]:
    """Commit, host of rank 0, versions, precision, data."""
    host = describe_host()
    return {
        "commit": _commit(),
        "cpu": host["cpu"],
        "flags": " ".join(host["flags"]),
        "torch": torch.__version__,
        "python": host["python"],
        "precision": "bf16" if bf16 else "fp32",
        "processes": processes,
        "threads": recipe.threads,
        "data_digest": data.digest,
        "items": len(data.train) if isinstance(data, ImageFolder) else len(data.track),
        "epoch_samples": recipe.data.epoch_samples,
    }


def _commit() -> str:
    """Of the checkout that this file lies in; `unknown` for an installed package."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
