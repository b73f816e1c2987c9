"""What runs the network: a protocol, and its ONNX Runtime form.

The tracker asks for one stage at a time, so what lies deeper than the exit
that was taken is never run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tracker.arrays import Float32s, Image
from tracker.errors import ManifestError
from tracker.manifest import Manifest

if TYPE_CHECKING:
    import onnxruntime


@dataclass(frozen=True, slots=True)
class StageOutput:
    """One exit.

    Attributes:
        score: N×1×h×w logits; ltrb: N×4×h×w distances in strides.
        statistics: N×18; gate: N×1 logit of stopping here, None at the last depth.
        carry: what the next stage takes, None at the last depth.
    """

    score: Float32s
    ltrb: Float32s
    statistics: Float32s
    gate: Float32s | None
    carry: Float32s | None


class Engine(Protocol):
    """Template once, then stages one by one; N targets in a call, each with its own template."""

    depths: int

    def template(self, crops: Mapping[int, Image]) -> list[Float32s]:
        """Template crops N×s×s×3 by side to what each depth correlates with, D arrays."""
        ...

    def stage(self, k: int, crop: Image | None, carry: Float32s | None, template: Float32s) -> StageOutput:
        """Stage k from 1: `crop` N×s×s×3 where it reads pixels, `carry` of stage k − 1 from k = 2."""
        ...

    def pass_on(self, k: int, crop: Image | None, carry: Float32s | None) -> Float32s:
        """Stage k < D without its exit, which this frame cannot take: its carry alone."""
        ...


class OrtEngine:
    """The graphs of an artefact folder in ONNX Runtime.

    Args:
        threads: of the network; provider: one of onnxruntime.get_available_providers().

    Raises:
        ManifestError: a graph cannot be loaded, or its inputs or outputs are not the manifest's.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        threads: int = 1,
        provider: str = "CPUExecutionProvider",
    ) -> None:
        sides = manifest.geometry.stage_sides
        self.depths = manifest.depths
        self._template_inputs = [(side, f"template_{side}") for side in manifest.geometry.template_sides]
        self._template = _session(
            folder / "template.onnx",
            threads,
            provider,
            [name for _, name in self._template_inputs],
            [f"template_{k}" for k in range(1, self.depths + 1)],
        )
        self._stages, self._stage_inputs, self._backbones = [], [], []
        for k, side in enumerate(sides, start=1):
            pixels = [] if side is None else [f"search_{side}"]
            inputs = [*pixels, *(["carry"] if k > 1 else []), f"template_{k}"]
            outputs = ["score", "ltrb", "statistics", *(["gate", "carry_out"] if k < self.depths else [])]
            self._stages.append(_session(folder / f"stage_{k}.onnx", threads, provider, inputs, outputs))
            self._stage_inputs.append(inputs)
            if k < self.depths:
                path = folder / f"backbone_{k}.onnx"
                self._backbones.append(_session(path, threads, provider, inputs[:-1], ["carry_out"]))

    def template(self, crops: Mapping[int, Image]) -> list[Float32s]:
        return list(self._template.run(None, {name: crops[side] for side, name in self._template_inputs}))

    def stage(self, k: int, crop: Image | None, carry: Float32s | None, template: Float32s) -> StageOutput:
        outputs = self._stages[k - 1].run(None, self._feed(k, crop, carry, template))
        last = (None, None) if k == self.depths else ()
        return StageOutput(*outputs, *last)

    def pass_on(self, k: int, crop: Image | None, carry: Float32s | None) -> Float32s:
        handed: Float32s = self._backbones[k - 1].run(None, self._feed(k, crop, carry))[0]
        return handed

    def _feed(self, k: int, *arrays: Image | Float32s | None) -> dict[str, Image | Float32s]:
        """Name the given arrays after the stage's inputs, which stand in the same order."""
        given = [array for array in arrays if array is not None]
        return dict(zip(self._stage_inputs[k - 1], given, strict=False))


def _session(
    path: Path, threads: int, provider: str, inputs: list[str], outputs: list[str]
) -> "onnxruntime.InferenceSession":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # onnxruntime raises its own untyped errors
        reason = str(error).splitlines()[0]
        raise ManifestError(
            f"{path}: not a graph that ONNX Runtime can load ({reason}); export it again"
        ) from error
    _same_names(path, "inputs", session.get_inputs(), inputs)
    _same_names(path, "outputs", session.get_outputs(), outputs)
    return session


def _same_names(path: Path, what: str, values: list[Any], expected: list[str]) -> None:
    got = [value.name for value in values]
    if got != expected:
        raise ManifestError(
            f"{path}: {what} got {', '.join(got)}, expected {', '.join(expected)}; wrong file?"
        )
