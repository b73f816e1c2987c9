"""The torch form of the tracker's engine: the reference that the ONNX files must equal."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.network import DepthGate, pixels
from models.registry import build
from tracker.arrays import Float32s, Image
from tracker.engine import StageOutput
from tracker.errors import ManifestError
from tracker.manifest import Manifest


def load_network(weights: Path, architecture: str) -> DepthGate:
    """Load the named network in evaluation mode with the weights of a safetensors file.

    Raises:
        ManifestError: the file does not hold weights of that network.
    """
    network = build(architecture)
    try:
        network.load_state_dict(load_file(weights))
    except Exception as error:  # safetensors raises untyped errors, torch a RuntimeError
        reason = str(error).splitlines()[0]
        raise ManifestError(
            f"{weights}: not the weights of {architecture} ({reason}); export it again"
        ) from error
    return network.eval().requires_grad_(False)


def open_engine(folder: Path, manifest: Manifest, threads: int = 1) -> "TorchEngine":
    """Open the torch engine of an artefact folder from its weights.safetensors; sets torch's threads."""
    torch.set_num_threads(threads)
    return TorchEngine(load_network(folder / "weights.safetensors", manifest.model["architecture"]))


class TorchEngine:
    """Same protocol as OrtEngine, by a network in evaluation mode."""

    def __init__(self, network: DepthGate) -> None:
        self._network = network
        self.depths = network.depths

    def template(self, crops: Mapping[int, Image]) -> list[Float32s]:
        with torch.inference_mode():
            # a stage that reads a search crop of side s reads a template crop of side s / 2
            inputs = {2 * side: pixels(torch.from_numpy(crop)) for side, crop in crops.items()}
            return [kernels.numpy() for kernels in self._network.template(inputs)]

    def stage(
        self,
        k: int,
        crop: Image | None,
        carry: Float32s | None,
        template: Float32s,
    ) -> StageOutput:
        with torch.inference_mode():
            result = self._network.stage(
                k,
                None if crop is None else pixels(torch.from_numpy(crop)),
                None if carry is None else torch.from_numpy(carry),
                torch.from_numpy(template),
            )
        last = k == self.depths
        return StageOutput(
            score=result.score.numpy(),
            ltrb=result.ltrb.numpy(),
            statistics=result.statistics.numpy(),
            gate=_numpy(result.gate),
            carry=None if last else result.carry.numpy(),
        )

    def pass_on(self, k: int, crop: Image | None, carry: Float32s | None) -> Float32s:
        with torch.inference_mode():
            features: Tensor = self._network.backbone.stages[k - 1](
                None if crop is None else pixels(torch.from_numpy(crop)),
                None if carry is None else torch.from_numpy(carry),
            )
        return features.numpy()


def _numpy(value: Tensor | None) -> Float32s | None:
    return None if value is None else value.numpy()
