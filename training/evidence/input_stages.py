"""Which stage of the input pipeline is worth what: each switched on in turn, beside what the network eats.

    python -m training.evidence.input_stages --data ../shared/data --out docs/results/recipes/input

Writes input.json and input.png. Stages take turns, so a machine whose speed
drifts slows all alike. A part of the packs is decoded for it, once.
"""

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from eval.data.sequences import read_pack
from eval.results.host import describe_host
from eval.results.store import write_json
from eval.results.tables import rows_table
from models.layout import channels_last
from models.network import pixels
from models.registry import build
from tracker.arrays import Image
from tracker.crop import Window, cut
from tracker.errors import TrackerError
from training.data.device_store import fill_device
from training.data.device_stream import DeviceStream
from training.data.feed import feed
from training.data.pairs import Batch, PairStream
from training.data.shards import ShardStore, open_shards
from training.data.store import (
    PSEUDO,
    RELIABLE,
    FrameStore,
    Row,
    kind_of,
    open_frames,
    photo_rows,
    video_rows,
    write_frames,
)
from training.data.transfer import TensorBatch, to_device
from training.data.write_shards import write_shards
from training.evidence.input_report import ALONE, draw, parts, summary, table
from training.recipe.load import load

RECIPE = Path(__file__).parents[1] / "recipes" / "depthgate_s.yaml"
SEED, PHASE = 7, "exits"

Make = Callable[[int], Generator[Batch | TensorBatch, None, None]]
"""First sample to batches."""


class LooseFiles(ShardStore):
    """The naive way: a file a picture, decoded whole by OpenCV."""

    def region(self, item: int, window: Window, px: int) -> Image:
        picture = int(self.picture[item])
        whole = cv2.imread(str(self.folder / f"{picture}.jpg"), cv2.IMREAD_COLOR)
        return cut(np.asarray(whole, np.uint8), window, px, self.fill[picture].tolist())


class WholePictures(ShardStore):
    """Shards, but every picture is decoded whole."""

    def region(self, item: int, window: Window, px: int) -> Image:
        return cut(self.image(item), window, px, self.fill[self.picture[item]].tolist())


def some_rows(root: Path, pictures: int) -> Iterator[Row]:
    """About `pictures` photographs, and videos of every kind that give about as many frames."""
    weak = root / "video/weak"
    machine_made = read_pack(weak)
    sequences = read_pack(root / "video/train")[: max(2, pictures // 60)]
    for kind, frames in ((RELIABLE, 16), (PSEUDO, 5)):
        of_kind = [sequence for sequence in machine_made if kind_of(sequence) == kind]
        sequences += of_kind[: max(2, pictures // (3 * frames))]
    yield from video_rows(sequences, weak)
    for folder, with_boxes in ((root / "images/masked", True), (root / "images/plain", False)):
        yield from itertools.islice(photo_rows(folder, with_boxes), pictures)


def open_stores(root: Path, pictures: int, folder: Path) -> tuple[dict[str, ShardStore], FrameStore]:
    """Store the same pictures four ways: loose files, whole from shards, fused from shards, and raw."""
    rows = list(some_rows(root, pictures))
    write_shards(rows, folder, "part of the packs")
    write_frames(rows, folder / "raw")
    shards = open_shards(folder)
    for picture, item in zip(*np.unique(shards.picture, return_index=True), strict=True):
        (folder / f"{picture}.jpg").write_bytes(shards.encoded(int(item)))
    kinds = {"naive": LooseFiles, "shards": WholePictures, "fused": ShardStore}
    return {name: kind(**vars(shards)) for name, kind in kinds.items()}, open_frames(folder / "raw", "part")


def stages(
    stores: dict[str, ShardStore], raw: FrameStore, batch: int, workers: int, device: torch.device
) -> dict[str, Make]:
    """Every stage adds one thing to the one before; the last three begin anew from decoded pixels."""

    def plan(start: int) -> Iterator[tuple[int, int]]:
        return ((first, batch) for first in itertools.count(start, batch))

    streams = {name: PairStream(store, SEED, PHASE) for name, store in stores.items()}
    decoded = PairStream(raw, SEED, PHASE)
    resident = DeviceStream(decoded, fill_device(raw, device))
    fused = streams["fused"]
    return {
        "naive: a file a picture, whole": lambda s: (streams["naive"].batch(*p) for p in plan(s)),
        "tar shards, whole": lambda s: (streams["shards"].batch(*p) for p in plan(s)),
        "fused decode and crop": lambda s: (fused.batch(*p) for p in plan(s)),
        f"{workers} threads": lambda s: feed(fused, plan(s), workers, ahead_samples=0),
        "prefetch": lambda s: feed(fused, plan(s), workers, ahead_samples=batch),
        "raw pixels, memory-mapped": lambda s: feed(decoded, plan(s), workers, ahead_samples=batch),
        f"resident on {device.type}": lambda s: (_synchronised(resident.batch(*p)) for p in plan(s)),
    }


def _synchronised(batch: TensorBatch) -> TensorBatch:
    if batch.boxes.device.type == "cuda":
        torch.cuda.synchronize()
    return batch


def network_step(name: str, device: torch.device) -> Callable[[TensorBatch], None]:
    """Forward and backward of a network of the registry, every exit, in training mode."""
    network = channels_last(build(name)).to(device).train()

    def step(batch: TensorBatch) -> None:
        template = {2 * side: pixels(crop) for side, crop in batch.template.items()}
        results = network(template, {side: pixels(crop) for side, crop in batch.search.items()})
        network.zero_grad()
        torch.stack([r.score.square().mean() + r.ltrb.square().mean() for r in results]).sum().backward()
        _synchronised(batch)

    return step


def trained(make: Make, step: Callable[[TensorBatch], None], device: torch.device) -> Make:
    """Put the network behind the stage: each batch comes back when the network is done with it."""

    def steps(start: int) -> Generator[TensorBatch, None, None]:
        for batch in make(start):
            moved = batch if isinstance(batch, TensorBatch) else to_device(batch, device)
            step(moved)
            yield moved

    return steps


def in_turns(makes: dict[str, Make], batch: int, batches: int, rounds: int) -> dict[str, list[float]]:
    """Measure samples a second of every stage in every round, after one batch to warm up."""
    rates: dict[str, list[float]] = {name: [] for name in makes}
    for turn, (name, make) in itertools.product(range(rounds), makes.items()):
        with closing(make(turn * batches * batch)) as made:
            next(made)
            begun = time.perf_counter()
            for _ in range(batches):
                next(made)
            rates[name].append(batches * batch / (time.perf_counter() - begun))
    return rates


def parts_of_a_sample(store: ShardStore, count: int) -> dict[str, float]:
    """Milliseconds a sample in one thread: reading bytes, decoding and cutting, and all the rest."""
    asked: list[tuple[int, Window, int]] = []

    class Watched(ShardStore):
        def region(self, item: int, window: Window, px: int) -> Image:
            asked.append((item, window, px))
            return super().region(item, window, px)

    PairStream(Watched(**vars(store)), SEED, PHASE).batch(0, count)
    whole = _seconds(lambda: PairStream(store, SEED, PHASE).batch(0, count))
    reading = _seconds(lambda: [store.encoded(item) for item, _, _ in asked])
    regions = _seconds(lambda: [store.region(*region) for region in asked])
    seconds = {
        "reading": reading,
        "decoding and cutting": regions - reading,
        "drawing and augmenting": whole - regions,
    }
    return {name: 1e3 * value / count for name, value in seconds.items()}


def _seconds(call: Callable[[], object], rounds: int = 3) -> float:
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measure the whole result, as written to input.json."""
    recipe = load(RECIPE)
    batch = next(phase.batch for phase in recipe.phases if phase.name == PHASE)
    torch.set_num_threads(options.threads or recipe.threads)
    cv2.setNumThreads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    stores, raw = open_stores(options.data, options.pictures, folder)
    makes = stages(stores, raw, batch, options.workers, device)
    step = network_step(recipe.network, device)
    one = to_device(PairStream(raw, SEED, PHASE).batch(0, batch), device)
    behind = {ALONE: trained(lambda _: (one for _ in itertools.count()), step, device)}
    behind |= {name: trained(make, step, device) for name, make in makes.items()}
    return summary(
        in_turns(makes, batch, options.batches, options.rounds),
        in_turns(behind, batch, options.steps, options.rounds),
        parts_of_a_sample(stores["fused"], 4 * batch),
    ) | {
        "network": recipe.network,
        "batch": batch,
        "device": device.type,
        "options": {name: str(value) for name, value in vars(options).items()},
        "pictures": len(stores["fused"].size),
        "bytes": {"shards": int(stores["fused"].size.sum()), "raw": len(raw.pixels)},
        "host": describe_host() | {"torch": torch.__version__, "load": os.getloadavg()[0]},
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code: 0 done, 2 wrong use."""
    parser = argparse.ArgumentParser(
        "python -m training.evidence.input_stages", description="Time the input pipeline."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the packs")
    parser.add_argument("--out", type=Path, required=True, help="where input.json and input.png go")
    parser.add_argument("--pictures", type=int, default=600, help="photographs, and as many frames")
    parser.add_argument("--batches", type=int, default=8, help="a stage and round, without the network")
    parser.add_argument("--steps", type=int, default=5, help="the same, with the network behind it")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="threads that make batches")
    parser.add_argument("--threads", type=int, help="threads of the network; the recipe's unless given")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = measure(options, Path(folder))
    except TrackerError as error:
        print(f"depthgate: error: {error}", file=sys.stderr)
        return 2
    result["table"] = table(result)
    write_json(options.out / "input.json", result)
    draw(result, options.out / "input.png")
    print(rows_table(result["table"]))
    print(parts(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
