"""manifest.json of an artefact: geometry, thresholds, costs, digests; checked on load."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tracker.errors import ManifestError

FORMAT = 1
ALWAYS, NEVER = 0.0, 1.0  # τ of an exit that every frame takes, and of one that none takes
T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Geometry:
    """Sizes in pixels of the crops.

    Cell j of the map_px×map_px response map looks at pixel first_cell_px + stride · j of the
    search crop; stage_sides says which side each stage reads, None for none.
    """

    template_px: int
    search_px: int
    stride: int
    map_px: int
    first_cell_px: float
    template_sides: tuple[int, ...]
    stage_sides: tuple[int | None, ...]


@dataclass(frozen=True)
class DecodeConstants:
    """Weight of the cosine window, strength of the scale and ratio penalty, rate of size smoothing."""

    window: float
    penalty: float
    size_rate: float


@dataclass(frozen=True)
class StateConstants:
    """Limits of presence, one an exit.

    A score of exit k below unsure[k - 1] is UNSURE, below lost[k - 1] LOST; a target elsewhere in the
    frame needs found[k - 1].
    """

    unsure: tuple[float, ...]
    lost: tuple[float, ...]
    found: tuple[float, ...]


@dataclass(frozen=True)
class Thresholds:
    """One row of the calibrated table: τ of the gates, the shares of frames per depth, accuracy on val."""

    tau: tuple[float, ...]
    share: tuple[float, ...]
    accuracy: float


@dataclass(frozen=True)
class Manifest:
    """All of manifest.json that the tracker uses; `raw` is the whole document."""

    name: str
    tag: str
    precision: str
    depths: int
    geometry: Geometry
    decode: DecodeConstants
    state: StateConstants
    default_tau: tuple[float, ...]
    table: tuple[Thresholds, ...]
    stage_seconds: tuple[float, ...]
    backbone_seconds: tuple[float, ...]
    stage_macs: tuple[int, ...]
    backbone_macs: tuple[int, ...]
    files: Mapping[str, str]
    model: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False)

    def macs(self, tau: tuple[float, ...], depth: int) -> int:
        """Return the multiply-accumulates of a frame that stops at `depth` under the thresholds `tau`."""
        return sum(stage_costs(tau, depth, self.stage_macs, self.backbone_macs))

    def seconds(self, tau: tuple[float, ...], depth: int) -> float:
        """Return the committed seconds of the network for such a frame."""
        return sum(stage_costs(tau, depth, self.stage_seconds, self.backbone_seconds))


def stage_costs(tau: Sequence[float], depth: int, stages: Sequence[T], backbones: Sequence[T]) -> list[T]:
    """Return what each stage costs a frame that stops at `depth`; an exit with τ = NEVER is not evaluated."""
    costs = [backbones[k] if tau[k] >= NEVER else stages[k] for k in range(depth - 1)]
    costs.append(stages[depth - 1])
    return costs


def load_manifest(folder: Path) -> Manifest:
    """Read and check `folder`/manifest.json, and the digests of the files that it lists.

    Raises:
        ManifestError: missing, not JSON, another format, a value that does
            not fit, or a file that is missing or was changed.
    """
    path = folder / "manifest.json"
    try:
        raw = json.loads(path.read_text())
    except OSError as error:
        raise ManifestError(
            f"{path}: cannot be read; expected an artefact folder with manifest.json"
        ) from error
    except ValueError as error:
        raise ManifestError(f"{path}: not JSON ({error}); export the model again") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        got = raw.get("format") if isinstance(raw, dict) else raw
        raise ManifestError(
            f"{path}: format got {got!r}, expected {FORMAT}; export the model with this version"
        )
    try:
        manifest = _parse(raw)
    except KeyError as error:
        raise ManifestError(f"{path}: lacks {error}; export the model again") from error
    except (TypeError, ValueError) as error:
        raise ManifestError(f"{path}: {error}; export the model again") from error
    for name, digest in manifest.files.items():
        _check_digest(folder / name, digest)
    return manifest


def _parse(raw: Mapping[str, Any]) -> Manifest:
    depths = int(raw["depths"])
    geometry = dict(raw["geometry"])
    geometry["template_sides"] = tuple(int(s) for s in geometry["template_sides"])
    geometry["stage_sides"] = tuple(None if s is None else int(s) for s in geometry["stage_sides"])
    table = tuple(
        Thresholds(_taus(row["tau"], depths), _numbers(row["share"], depths, "share"), float(row["accuracy"]))
        for row in raw["thresholds"]["table"]
    )
    if len(geometry["stage_sides"]) != depths:
        raise ValueError(
            f"geometry.stage_sides has {len(geometry['stage_sides'])} entries, expected {depths}"
        )
    needed = {"template.onnx", *(f"stage_{k}.onnx" for k in range(1, depths + 1))}
    needed |= {f"backbone_{k}.onnx" for k in range(1, depths)}
    missing = sorted(needed - set(raw["files"]))
    if missing:
        raise ValueError(f"files lacks {missing[0]}")
    return Manifest(
        name=str(raw["name"]),
        tag=str(raw["tag"]),
        precision=str(raw["precision"]),
        depths=depths,
        geometry=Geometry(**geometry),
        decode=DecodeConstants(**{k: float(v) for k, v in raw["decode"].items()}),
        state=_state(raw["state"], depths),
        default_tau=_taus(raw["thresholds"]["default"], depths),
        table=table,
        stage_seconds=_numbers(raw["costs"]["seconds"], depths, "costs.seconds"),
        backbone_seconds=_numbers(raw["costs"]["backbone_seconds"], depths - 1, "costs.backbone_seconds"),
        stage_macs=tuple(int(m) for m in _numbers(raw["macs"], depths, "macs")),
        backbone_macs=tuple(int(m) for m in _numbers(raw["backbone_macs"], depths - 1, "backbone_macs")),
        files=dict(raw["files"]),
        model=dict(raw["model"]),
        raw=raw,
    )


def _state(raw: Mapping[str, Any], depths: int) -> StateConstants:
    """Read the limits of presence: D numbers, or one for all exits; older manifests lack `found`."""
    given = {"found": raw["unsure"], **raw}
    state = StateConstants(**{key: _limits(value, depths, f"state.{key}") for key, value in given.items()})
    for low, middle, high in zip(state.lost, state.unsure, state.found, strict=True):
        if not 0 <= low <= middle <= high <= 1:
            raise ValueError(
                f"state got limits {low}, {middle}, {high}, expected 0 <= lost <= unsure <= found <= 1"
            )
    return state


def _limits(values: Any, depths: int, what: str) -> tuple[float, ...]:
    return _numbers(values if isinstance(values, list) else [values] * depths, depths, what)


def _taus(values: Any, depths: int) -> tuple[float, ...]:
    taus = _numbers(values, depths - 1, "thresholds")
    if not all(0 <= tau <= 1 for tau in taus):
        raise ValueError(f"thresholds got {list(taus)}, expected probabilities")
    return taus


def _numbers(values: Any, count: int, what: str) -> tuple[float, ...]:
    numbers = tuple(float(v) for v in values)
    if len(numbers) != count:
        raise ValueError(f"{what} has {len(numbers)} numbers, expected {count}")
    return numbers


def _check_digest(path: Path, digest: str) -> None:
    try:
        got = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ManifestError(f"{path}: missing; the artefact is incomplete, export it again") from error
    if got != digest:
        raise ManifestError(
            f"{path}: sha256 {got[:12]}…, expected {digest[:12]}…; the file is damaged or of another export"
        )
