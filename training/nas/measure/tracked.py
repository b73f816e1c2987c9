"""Measure cells as trackers: the first stage of a design and one exit, taught alike, tracked in closed loop.

    python app.py search measure 19554,171411 --tracker --data ../shared/data --repeats 1

Every training sees the same samples once, with the same teacher: crops and
the teacher's answers are made once and kept in the user's cache. AO is that of
the split `val`, three starts a track, averaged by source video. Beside it
stands the tracking loss of the last tenth of the samples, which nothing had
been fitted to when it was taken. The loop is its own: samples come from the
cache and not from a stream, nothing is resumed within a training, and the
lines of own_trackers.jsonl compare only as long as not a bit of it changes.
"""

import json
import math
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from joblib import Parallel, delayed
from rich.progress import track
from torch import Tensor, nn

from eval.contenders.base import Ours
from eval.data.sequences import read_frames, read_pack
from eval.onepass.runner import START_SHIFTS, run
from eval.results.host import describe_host
from models.engine import TorchEngine
from models.layout import channels_last
from models.nas.space import enumerate_space
from models.network import DepthGate, NetworkSpec, pixels
from tracker import Tracker
from tracker.arrays import Ints
from tracker.cache import user_cache
from tracker.manifest import Manifest, StateConstants, load_manifest
from tracker.zoo import find
from training.data.open import open_store
from training.data.pairs import PairStream
from training.nas.search.design import Design
from training.optim.optimisers import parameter_groups
from training.run.jobs import read_lines, train_all
from training.tasks.losses import SoftTargets, feature_loss, response_loss, tracking_loss
from training.tasks.targets import make_targets
from training.tasks.teacher import NanoTrackTeacher

SAMPLES, BATCH, RATE, WARM_UP, WEIGHT_DECAY = 12_000, 24, 2e-3, 600, 0.02
FREEZE_NORM_FROM, GRADIENT_NORM, SEEN_BY_LOSS = 0.8, 5.0, 0.1
SEARCH_SIDE, TEMPLATE_SIDE = 128, 64
SEED_OF_SAMPLES, FITTED_ON = 11, 128

Arrays = dict[str, npt.NDArray[Any]]
LAYOUT: dict[str, tuple[type, tuple[int, ...]]] = {
    "search": (np.uint8, (SEARCH_SIDE, SEARCH_SIDE, 3)),
    "template": (np.uint8, (TEMPLATE_SIDE, TEMPLATE_SIDE, 3)),
    "boxes": (np.float32, (4,)),
    "present": (np.bool_, ()),
    "search_features": (np.float16, (96, 16, 16)),
    "template_features": (np.float16, (96, 8, 8)),
    "probability": (np.float16, (16, 16)),
    "ltrb": (np.float16, (4, 16, 16)),
    "known": (np.float16, (16, 16)),
}


def cached_samples(
    data: Path, teacher_files: tuple[Path, Path], count: int = SAMPLES, jobs: int = 2
) -> Arrays:
    """Open memory-mapped columns of LAYOUT, `count` long; made on first use (minutes, 1.5 GB).

    Raises:
        SourceError, ModelError: packs or teacher are missing.
    """
    store = open_store(data)
    folder = user_cache() / f"taught-{store.digest}-{SEED_OF_SAMPLES}-{count}"
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        part.mkdir(parents=True, exist_ok=True)
        for name, (kind, shape) in LAYOUT.items():
            np.lib.format.open_memmap(part / f"{name}.npy", "w+", kind, (count, *shape))
        starts = range(0, count, BATCH)
        work = Parallel(jobs, return_as="generator_unordered")(
            delayed(_write_samples)(part, data, teacher_files, chunk)
            for chunk in np.array_split(starts, 8 * jobs)
        )
        for _ in track(work, "making samples", 8 * jobs, transient=True):
            pass
        part.rename(folder)
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in LAYOUT}


def _write_samples(folder: Path, data: Path, teacher_files: tuple[Path, Path], starts: Ints) -> None:
    """Write samples from each of `starts`, with what the teacher says of them."""
    stream = PairStream(open_store(data), SEED_OF_SAMPLES, "tracked")
    teacher = NanoTrackTeacher(*teacher_files, threads=1)
    teacher.fit(teacher.features(stream.batch(0, FITTED_ON)))
    out = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in LAYOUT}
    for start in starts.tolist():
        rows = slice(start, min(start + BATCH, len(out["boxes"])))
        batch = stream.batch(start, rows.stop - start)
        raw = teacher.features(batch)
        soft = teacher.responses(raw)
        columns = {
            "search": batch.search[SEARCH_SIDE],
            "template": batch.template[TEMPLATE_SIDE],
            "boxes": batch.boxes,
            "present": batch.present,
            "search_features": teacher.standardise(raw.search),
            "template_features": teacher.standardise(raw.template),
            "probability": soft.probability,
            "ltrb": soft.ltrb,
            "known": soft.known,
        }
        for name, values in columns.items():
            out[name][rows] = values


@dataclass(frozen=True)
class Losses:
    """Means over a batch: of tracking alone, and of everything that is minimised."""

    tracking: Tensor
    total: Tensor


def losses_of(network: DepthGate, samples: Arrays, rows: Ints) -> Losses:
    """Compute losses of tracking, the teacher's map and its features, weighed as in the phase `exits`."""
    part = {name: torch.from_numpy(column[rows]) for name, column in samples.items()}
    [exit_], [stage] = network.exits, network.spec.stages
    assert stage.side is not None
    kept = exit_.embed(network.backbone({stage.side: pixels(part["template"])})[-1])
    [embedding] = network.embed({stage.side: pixels(part["search"])})
    score, ltrb = exit_(embedding, exit_.template(kept))
    tracking = tracking_loss(score, ltrb, make_targets(part["boxes"], part["present"])).mean()
    soft = SoftTargets(*(part[name].float() for name in ("probability", "ltrb", "known")))
    feature = feature_loss(embedding, part["search_features"].float())
    feature = feature + feature_loss(kept, part["template_features"].float())
    taught = response_loss(score, ltrb, soft).mean() + 0.5 * feature.mean()
    return Losses(tracking, 0.5 * tracking + taught)


def first_stage(design: Design) -> NetworkSpec:
    """Return the design's first stage and its exit: a tracker of depth one."""
    whole = design.network(enumerate_space())
    return NetworkSpec(whole.stages[:1], whole.heads[:1])


def train_design(design: Design, seed: int, samples: Arrays) -> tuple[DepthGate, float]:
    """Train a network on every sample once; also return its tracking loss on the last ones. One thread."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = channels_last(DepthGate(first_stage(design))).train()
    optimiser = torch.optim.AdamW(parameter_groups(network, WEIGHT_DECAY), RATE, betas=(0.9, 0.99))
    count = len(samples["boxes"])
    order = np.random.default_rng(seed).permutation(count)
    last: list[float] = []
    for start in range(0, count, BATCH):
        if start >= FREEZE_NORM_FROM * count:
            network.backbone.eval()
        for group in optimiser.param_groups:
            group["lr"] = _rate(start, count)
        losses = losses_of(network, samples, np.sort(order[start : start + BATCH]))
        optimiser.zero_grad()
        losses.total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
        optimiser.step()
        if start >= (1 - SEEN_BY_LOSS) * count:
            last.append(losses.tracking.item())
    return network.eval(), float(np.mean(last))


def _rate(seen: int, count: int) -> float:
    """Return the rate: linear warm-up, then cosine to 0."""
    if seen < WARM_UP:
        return RATE * (seen + BATCH) / (WARM_UP + BATCH)
    return RATE * 0.5 * (1 + math.cos(math.pi * (seen - WARM_UP) / (count - WARM_UP)))


def track_val(network: DepthGate, folder: Path) -> dict[str, float]:
    """Track the val split in closed loop; AO by source video, mean over its tracks and three starts."""
    tracker = Tracker(TorchEngine(network), one_deep(load_manifest(find("default"))))
    found: dict[str, list[float]] = defaultdict(list)
    for sequence in read_pack(folder):
        frames = list(read_frames(sequence.video))
        for shift in START_SHIFTS:
            done = run(Ours(tracker, None), frames, sequence, shift)
            found[sequence.source_video].append(done.accuracy(sequence).ao)
    return {video: round(float(np.mean(values)), 5) for video, values in found.items()}


def one_deep(manifest: Manifest) -> Manifest:
    """Return the shipped manifest cut to a tracker of one stage that believes every score."""
    geometry = replace(manifest.geometry, stage_sides=(SEARCH_SIDE,), template_sides=(TEMPLATE_SIDE,))
    return replace(
        manifest,
        depths=1,
        geometry=geometry,
        state=StateConstants((0.0,), (0.0,), (0.0,)),
        default_tau=(),
        table=(),
        stage_seconds=manifest.stage_seconds[:1],
        backbone_seconds=(),
        stage_macs=manifest.stage_macs[:1],
        backbone_macs=(),
    )


def measure_tracked(
    designs: list[Design], repeats: int, data: Path, out: Path, jobs: int = 2
) -> list[dict[str, Any]]:
    """Train and track what OUT has no line for yet, and return its lines.

    Raises:
        SourceError, ModelError: data or teacher are missing.
    """
    done = {(_key(line["network"], line["row"]), line["repeat"]) for line in read_lines(out)}
    tasks = [
        (design, repeat)
        for repeat in range(repeats)
        for design in designs
        if (_key(_network(design), design.row), repeat) not in done
    ]
    if tasks:
        weights = data / "peers/weights"
        files = weights / "nanotrackv3_nanotrack_backbone.onnx", weights / "nanotrackv3_nanotrack_head.onnx"
        cached_samples(data, files, jobs=jobs)
        calls = [delayed(_measure_one)(design, repeat, data, files) for design, repeat in tasks]
        train_all(calls, out, jobs, "training trackers")
    return read_lines(out)


def _measure_one(design: Design, repeat: int, data: Path, teacher_files: tuple[Path, Path]) -> dict[str, Any]:
    begun = time.perf_counter()
    network, loss = train_design(design, repeat, cached_samples(data, teacher_files))
    seconds = time.perf_counter() - begun
    videos = track_val(network, data / "video/val")
    return {
        "row": design.row,
        "hash": enumerate_space()[design.row].hash(),
        "repeat": repeat,
        "accuracy": round(float(np.mean(list(videos.values()))), 5),
        "loss": round(loss, 5),
        "seconds": round(seconds, 1),
        "network": _network(design),
        "videos": videos,
        "cpu": describe_host()["cpu"],
    }


def _network(design: Design) -> dict[str, Any]:
    kept = {name: value for name, value in asdict(design).items() if name != "raw"}
    return {"tracker_samples": SAMPLES, **kept, "depths": list(design.depths)}


def _key(network: dict[str, Any], row: int) -> str:
    return json.dumps([row, network], sort_keys=True)
