"""Where a frame's milliseconds go, and how far the stages are from the machine's limit.

python app.py bench --parts --json docs/results/eval/latency.json
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from threadpoolctl import threadpool_limits

from eval.results.host import describe_host
from eval.results.store import file_for, write_json
from eval.speed.stopwatch import Stopwatch
from tracker import Tracker
from tracker.arrays import Image
from tracker.crop import CropPyramid, Window, cut
from tracker.decode import Decoder
from tracker.engine import OrtEngine
from tracker.manifest import Manifest, load_manifest
from tracker.state import TrackState
from tracker.zoo import find

ROUNDS, WARM_UP = 200, 20
MATRIX = 512
PRODUCT = "matrix product"
BOX = (280.0, 150.0, 80.0, 60.0)
ENERGY = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
NOT_FOR_GRAPHS = {"AzureExecutionProvider"}


def latency(model: str, threads: list[int], json_file: Path | None = None) -> dict[str, Any]:
    """Milliseconds of every part of a frame, for each provider that is here and each number of threads.

    `parts` are quantiles, and MACs where a part has them: crops, stage_k with
    its exit, backbone_k without, decoding, and whole updates at every fixed
    depth (`update full` runs backbone_1 … backbone_D−1 and stage_D). `rest`
    is the median of a full update less the medians of its parts. `limit_gmacs`
    is a float32 matrix product on as many threads, `of_limit` the share of it
    that each stage reaches. All take turns, round by round, and the limit and
    the shares are of everybody's fastest round, so that other work on the
    machine touches none more than the others.
    """
    if json_file is not None:
        file_for(json_file)
    providers = [p for p in onnxruntime.get_available_providers() if p not in NOT_FOR_GRAPHS]
    document = {
        "model": model,
        "rounds": ROUNDS,
        "host": describe_host(),
        "threads": " and ".join(str(count) for count in threads),
        "runs": [_one(model, count, provider) for provider in providers for count in threads],
    }
    if json_file is not None:
        write_json(json_file, document)
    return document


def _one(model: str, threads: int, provider: str) -> dict[str, Any]:
    folder = find(model)
    manifest = load_manifest(folder)
    engine = OrtEngine(folder, manifest, threads, provider)
    frame = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    budgets = [*(f"depth:{k}" for k in range(1, manifest.depths)), "full"]
    trackers = {f"update {budget}": Tracker(engine, manifest, budget) for budget in budgets}
    for tracker in trackers.values():
        tracker.init(frame, BOX)
    with threadpool_limits(threads):
        taken = _take_turns(engine, trackers, manifest, frame)
    macs = {f"stage_{k}": count for k, count in enumerate(manifest.stage_macs, start=1)}
    macs |= {f"backbone_{k}": count for k, count in enumerate(manifest.backbone_macs, start=1)}
    macs |= {name: tracker.update(frame).macs for name, tracker in trackers.items()}
    limit = MATRIX**3 / min(taken.pop(PRODUCT)) / 1e6
    parts = {name: _quantiles(ms) for name, ms in taken.items()}
    stages = [f"stage_{k}" for k in range(1, manifest.depths + 1)]
    whole = sum(v["p50"] for k, v in parts.items() if k not in {*trackers, *stages[:-1]})
    run = {
        "provider": provider,
        "threads": threads,
        "limit_gmacs": round(limit, 1),
        "parts": {k: {**v, "mmac": round(macs[k] / 1e6, 1)} if k in macs else v for k, v in parts.items()},
        "rest": round(parts["update full"]["p50"] - whole, 4),
        "of_limit": [round(macs[name] / 1e6 / min(taken[name]) / limit, 3) for name in stages],
    }
    with _joules() as energy:
        for _ in range(ROUNDS):
            trackers["update full"].update(frame)
    if energy:
        run["millijoules_per_update"] = round(energy[0] / ROUNDS * 1e3, 3)
    return run


def _take_turns(
    engine: OrtEngine, trackers: dict[str, Tracker], manifest: Manifest, frame: Image
) -> dict[str, list[float]]:
    """Time every part ROUNDS times: crops, stages, decoding, updates and a matrix product; ms by name."""
    sides = manifest.geometry.stage_sides
    window = _window(manifest)
    crops = {s: cut(frame, window, s, (90, 90, 90))[None] for s in {*sides} - {None} if s is not None}
    small = {s: cut(frame, window, s, (90, 90, 90))[None] for s in manifest.geometry.template_sides}
    kernels = engine.template(small)
    decode = Decoder(manifest.geometry, manifest.decode)
    matrix = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    timed = Stopwatch(WARM_UP)
    for _ in range(ROUNDS + WARM_UP):
        carry = None
        pyramid = CropPyramid(frame, window, (90, 90, 90))
        for k, side in enumerate(sides, start=1):
            if side is not None:
                timed(f"crop_{side}", pyramid.__getitem__, side)
            crop = None if side is None else crops[side]
            if k < manifest.depths:
                timed(f"backbone_{k}", engine.pass_on, k, crop, carry)
            output = timed(f"stage_{k}", engine.stage, k, crop, carry, kernels[k - 1])
            carry = output.carry
        timed("decode", decode, output, window, BOX[2], BOX[3])
        for name, tracker in trackers.items():
            timed(name, tracker.update, frame)
        timed(PRODUCT, np.matmul, matrix, matrix)
    return {name: [1e3 * s for s in taken] for name, taken in timed.seconds().items()}


def _window(manifest: Manifest) -> Window:
    return TrackState.at(BOX, 640, 360).search_window(manifest.geometry)


def _quantiles(ms: list[float]) -> dict[str, float]:
    values = np.percentile(ms, (50, 95, 99))
    return {name: round(float(v), 4) for name, v in zip(("p50", "p95", "p99"), values, strict=True)}


@contextmanager
def _joules() -> Iterator[list[float]]:
    """Yield a list that holds the joules of the block once it has run; empty where no counter is readable."""
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
