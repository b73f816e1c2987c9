"""Where a frame's milliseconds go, and how far the stages are from the machine's limit.

python app.py bench --parts --json docs/results/eval/latency.json
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from threadpoolctl import threadpool_limits

from eval.host import describe_host
from tracker import Tracker
from tracker.crop import CropPyramid, Window, cut
from tracker.decode import Decoder
from tracker.engine import OrtEngine
from tracker.manifest import Manifest, load_manifest
from tracker.state import TrackState
from tracker.zoo import find

ROUNDS, WARM_UP = 200, 20
MATRIX = 768
ENERGY = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
NOT_FOR_GRAPHS = {"AzureExecutionProvider"}


def latency(model: str, threads: list[int], json_file: Path | None = None) -> dict[str, Any]:
    """Milliseconds of every part of a frame, for each provider that is here and each number of threads.

    `parts` are quantiles: stage_k with its exit, backbone_k without (a frame
    at full depth runs backbone_1 … backbone_D−1 and stage_D). `rest` is the
    median of such an update less the medians of its parts. `limit_gmacs` is a
    float32 matrix product on one thread in the same run, `of_limit` the share
    of it that each stage reaches by its MACs.
    """
    providers = [p for p in onnxruntime.get_available_providers() if p not in NOT_FOR_GRAPHS]
    limit = matrix_limit_gmacs()
    document = {
        "model": model,
        "rounds": ROUNDS,
        "host": describe_host(),
        "threads": " and ".join(str(count) for count in threads),
        "limit_gmacs": round(limit, 1),
        "runs": [_one(model, count, provider, limit) for provider in providers for count in threads],
    }
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(document, indent=1) + "\n")
    return document


def _one(model: str, threads: int, provider: str, limit: float) -> dict[str, Any]:
    folder = find(model)
    manifest = load_manifest(folder)
    engine = OrtEngine(folder, manifest, threads, provider)
    tracker = Tracker(engine, manifest, "full")
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (360, 640, 3), dtype=np.uint8)
    tracker.init(frame, (280.0, 150.0, 80.0, 60.0))
    parts = _parts(engine, tracker, frame)
    with _joules() as energy:
        for _ in range(ROUNDS):
            tracker.update(frame)
    apart = {"update", *(f"stage_{k}" for k in range(1, manifest.depths))}
    whole = sum(v["p50"] for k, v in parts.items() if k not in apart)
    stages = [parts[f"stage_{k}"]["p50"] for k in range(1, manifest.depths + 1)]
    run = {
        "provider": provider,
        "threads": threads,
        "parts": parts,
        "rest": round(parts["update"]["p50"] - whole, 4),
        "of_limit": [
            round(macs / 1e6 / ms / limit, 3) for macs, ms in zip(manifest.stage_macs, stages, strict=True)
        ],
    }
    if energy:
        run["millijoules_per_update"] = round(energy[0] / ROUNDS * 1e3, 3)
    return run


def _parts(engine: OrtEngine, tracker: Tracker, frame: npt.NDArray[np.uint8]) -> dict[str, dict[str, float]]:
    """Quantiles of crops, stages with and without their exits, decoding, and a whole update, in turns."""
    manifest = tracker.manifest
    sides = manifest.geometry.stage_sides
    window = _window(manifest)
    crops = {s: cut(frame, window, s, (90, 90, 90))[None] for s in {*sides} - {None} if s is not None}
    small = {s: cut(frame, window, s, (90, 90, 90))[None] for s in manifest.geometry.template_sides}
    kernels = engine.template(small)
    decode = Decoder(manifest.geometry, manifest.decode)
    taken: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        result = call()
        taken.setdefault(name, []).append((time.perf_counter() - begun) * 1e3)
        return result

    for _ in range(ROUNDS + WARM_UP):
        carry = None
        pyramid = CropPyramid(frame, window, (90, 90, 90))
        for k, side in enumerate(sides, start=1):
            if side is not None:
                timed(f"crop_{side}", lambda s=side, p=pyramid: p[s])
            crop = None if side is None else crops[side]
            if k < manifest.depths:
                timed(f"backbone_{k}", lambda k=k, crop=crop, carry=carry: engine.pass_on(k, crop, carry))
            output = timed(
                f"stage_{k}", lambda k=k, crop=crop, carry=carry: engine.stage(k, crop, carry, kernels[k - 1])
            )
            carry = output.carry
        timed("decode", lambda output=output: decode(output, window, 80.0, 60.0))
        timed("update", lambda: tracker.update(frame))
    return {name: _quantiles(values[WARM_UP:]) for name, values in taken.items()}


def _window(manifest: Manifest) -> Window:
    return TrackState.at((280.0, 150.0, 80.0, 60.0), 640, 360).search_window(manifest.geometry)


def _quantiles(ms: list[float]) -> dict[str, float]:
    values = np.percentile(ms, (50, 95, 99))
    return {name: round(float(v), 4) for name, v in zip(("p50", "p95", "p99"), values, strict=True)}


def matrix_limit_gmacs() -> float:
    """Best of ten float32 products of MATRIX×MATRIX on one thread, in 10⁹ multiply-accumulates a second."""
    a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    times = []
    with threadpool_limits(1):
        for _ in range(10):
            begun = time.perf_counter()
            a @ a
            times.append(time.perf_counter() - begun)
    return float(MATRIX**3 / min(times) / 1e9)


@contextmanager
def _joules() -> Iterator[list[float]]:
    """The package's energy in joules while the block ran, where the machine tells; else an empty list."""
    spent: list[float] = []
    before = _energy_uj()
    yield spent
    after = _energy_uj()
    if before is not None and after is not None and after > before:
        spent.append((after - before) / 1e6)


def _energy_uj() -> int | None:
    try:
        return int(ENERGY.read_text())
    except (OSError, ValueError):
        return None
