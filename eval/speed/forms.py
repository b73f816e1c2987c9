"""The two forms of an artefact side by side: a graph a stage driven by a loop, and one graph of nested Ifs.

python app.py export tracker/zoo/depthgate-s.pack/weights.safetensors --out OUT/depthgate-s.pack --single
python app.py bench --single OUT/depthgate-s.pack/tracker.onnx --json docs/results/first_light/forms.json
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from eval.results.host import describe_host
from eval.results.store import file_for, write_json
from eval.speed.stopwatch import Stopwatch
from tracker.engine import OrtEngine
from tracker.errors import SourceError
from tracker.manifest import load_manifest
from tracker.zoo import find

ROUNDS, WARM_UP = 300, 30


def compare_forms(model: str, single: Path, json_file: Path | None = None) -> dict[str, Any]:
    """Median and quartile milliseconds of a frame's network at every depth in both forms, taking turns.

    Raises:
        SourceError: `single` is no graph, or not the model's.
    """
    if json_file is not None:
        file_for(json_file)
    folder = find(model)
    manifest = load_manifest(folder)
    engine = OrtEngine(folder, manifest)
    session = _open(single)
    rng = np.random.default_rng(0)
    sides = manifest.geometry.stage_sides
    crops = {
        s: rng.integers(0, 256, (1, s, s, 3), dtype=np.uint8)
        for s in {*sides, *manifest.geometry.template_sides} - {None}
        if s is not None
    }
    kernels = engine.template({s: crops[s] for s in manifest.geometry.template_sides})
    feed: dict[str, npt.NDArray[Any]] = {f"search_{s}": crops[s] for s in sides if s is not None}
    feed |= {f"template_{k}": kernel for k, kernel in enumerate(kernels, start=1)}
    if {*feed, "tau"} != {i.name for i in session.get_inputs()}:
        raise SourceError(f"bench: {single} has other inputs than {manifest.name}; expected its tracker.onnx")

    def loop(depth: int) -> None:
        carry = None
        for k in range(1, depth + 1):
            side = sides[k - 1]
            crop = None if side is None else crops[side]
            carry = engine.stage(k, crop, carry, kernels[k - 1]).carry

    def nested(depth: int) -> None:
        tau = np.array([0.0 if k >= depth else 1.0 for k in range(1, manifest.depths)], np.float32)
        session.run(None, {**feed, "tau": tau})

    document = {
        "model": f"{manifest.name}.{manifest.tag}",
        "threads": 1,
        "rounds": ROUNDS,
        "host": describe_host(),
        "ms": {
            str(depth): _in_turns({"stages": partial(loop, depth), "nested If": partial(nested, depth)})
            for depth in range(1, manifest.depths + 1)
        },
    }
    if json_file is not None:
        write_json(json_file, document)
    return document


def _open(single: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(single), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own kinds have no common base
        raise SourceError(
            f"bench: {single} cannot be read as a graph; expected the tracker.onnx of export --single"
        ) from error


def _in_turns(forms: dict[str, Callable[[], None]]) -> dict[str, dict[str, float]]:
    timed = Stopwatch(WARM_UP)
    for _ in range(ROUNDS + WARM_UP):
        for name, run in forms.items():
            timed(name, run)
    quantiles = {name: 1e3 * np.percentile(taken, (25, 50, 75)) for name, taken in timed.seconds().items()}
    return {
        name: {key: round(float(v), 4) for key, v in zip(("p25", "median", "p75"), q, strict=True)}
        for name, q in quantiles.items()
    }
