"""A short animation of an annotated video, small enough for a page.

python -m eval.results.animation demo/cyclist.mp4 --out docs/results/first_light/cyclist.webp
"""

import argparse
import sys
from pathlib import Path

import cv2

from arguments import positive
from eval.results.store import file_for
from tracker.errors import SourceError, TrackerError
from tracker.files import replacing
from tracker.frames import open_source

QUALITY = 60  # of lossy WebP, 1 to 100


def write_animation(video: Path, out: Path, width: int) -> int:
    """Write a video as an endless animated WebP of its pace, `width` pixels wide.

    Returns the number of frames written.

    Raises:
        SourceError: the video cannot be read, or `out` is not the name of a WebP file.
    """
    if out.suffix.lower() != ".webp":
        raise SourceError(f"out: got {out}, which is not the name of a WebP file; name it .webp")
    with open_source(str(video)) as source:
        frames, fps = list(source), source.fps
    height = round(width * frames[0].shape[0] / frames[0].shape[1])
    animation = cv2.Animation()
    animation.frames = [cv2.resize(f, (width, height), interpolation=cv2.INTER_AREA) for f in frames]
    animation.durations = [round(1000 / fps)] * len(frames)
    with replacing(file_for(out)) as part:
        cv2.imwriteanimation(str(part), animation, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return len(frames)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser("python -m eval.results.animation", description="Animate a video.")
    parser.add_argument("video", type=Path, help="as app.py track --save writes it")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.webp")
    parser.add_argument("--width", type=positive, default=640, help="in pixels (default 640)")
    options = parser.parse_args(arguments)
    try:
        count = write_animation(options.video, options.out, options.width)
    except TrackerError as error:
        print(f"depthgate: error: {error}", file=sys.stderr)
        return 2
    print(f"{count} frames, {options.out.stat().st_size / 1e6:.2f} MB: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
