"""Write a pack of composed sequences: python -m training.data.compose --root ../shared/data --seed 1."""

import argparse
import sys
from pathlib import Path

import cv2

from arguments import count, positive
from tracker.errors import TrackerError
from training.data.compose.library import SPLITS, open_library
from training.data.compose.pack import compose, default_pack, write_pack, write_sheet


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code: 0 done, 2 wrong use."""
    parser = argparse.ArgumentParser(
        "python -m training.data.compose",
        description="Write sequences of objects that move over photographs.",
    )
    parser.add_argument("--root", type=Path, required=True, help="folder of the packs (images/, video/)")
    parser.add_argument("--out", type=Path, default=default_pack(), help="folder of the new pack")
    parser.add_argument("--sequences", type=positive, default=60)
    parser.add_argument("--frames", type=positive, default=150, help="of each sequence")
    parser.add_argument("--seed", type=count, default=1)
    parser.add_argument(
        "--split", choices=SPLITS, default="val", help="whose pictures; val: none of training's"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="SHEET.png", help="a sheet of frames with boxes as well"
    )
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    try:
        library = open_library(options.root, options.split)
        sequences = compose(library, options.seed, options.sequences, options.frames)
        write_pack(sequences, options.out)
        if options.picture:
            write_sheet(sequences, options.picture)
    except TrackerError as error:
        print(f"depthgate: error: {error}", file=sys.stderr)
        return 2
    absent = sum(float(sequence.absent.mean()) for sequence in sequences) / len(sequences)
    print(f"{len(sequences)} sequences of {options.frames} frames, {absent:.0%} absent: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
