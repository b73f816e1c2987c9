"""Checkpoints that are whole or absent, and plain weights."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tracker.errors import ModelError
from tracker.files import replacing

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
    """Write the checkpoint; a kill at any moment leaves the previous one."""
    with replacing(path) as part:
        torch.save(state, part)


def load(path: Path) -> dict[str, Any]:
    """Load a checkpoint.

    Raises:
        ModelError: the file is not a checkpoint.
    """
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


def start_from(path: Path, network: nn.Module) -> None:
    """Give the network the weights of a safetensors file, as `save_weights` writes it.

    Raises:
        ModelError: the file cannot be read, or holds another network's weights.
    """
    try:
        network.load_state_dict(load_file(path))
    except Exception as error:  # safetensors raises untyped errors, torch a RuntimeError
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"start: {path} does not hold weights of this network ({reason}); name those of a run of it"
        ) from error


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write the weights as safetensors, every tensor in its own contiguous memory."""
    with replacing(path) as part:
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, part)
