"""Checkpoints that are whole or absent, and plain weights."""

import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tracker.errors import ModelError

PARTS = {
    "bf16": bool,
    "phase": int,
    "seen": int,
    "updates": int,
    "network": dict,
    "average": dict,
    "optimizer": dict,
}
CURE = "delete it to start anew"


def save(path: Path, state: dict[str, Any]) -> None:
    """Write, then rename: a kill at any moment leaves the previous checkpoint."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def load(path: Path) -> dict[str, Any]:
    """Raises ModelError where the file is not a checkpoint."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # junk that is unpickled may raise any
        raise ModelError(f"checkpoint {path}: cannot be read ({type(error).__name__}); {CURE}") from error
    if not isinstance(state, dict):
        raise ModelError(f"checkpoint {path}: holds no dictionary but {type(state).__name__}; {CURE}")
    wrong = [name for name, kind in PARTS.items() if not isinstance(state.get(name), kind)]
    if wrong:
        raise ModelError(f"checkpoint {path}: {', '.join(wrong)} missing or of a wrong type; {CURE}")
    return state


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Raises ModelError where the file is not safetensors."""
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own untyped errors
        raise ModelError(f"weights {path}: cannot be read ({error}); expected a safetensors file") from error
