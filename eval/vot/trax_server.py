"""A contender behind the TraX protocol, so that the official VOT toolkit can drive it (needs vot-trax).

    python -m eval.vot.trax_server --contender default --model depthgate-s

The tracker is loaded and warmed before the handshake, which has a time limit.
One process serves any number of initialisations. Depth and score of every
frame are sent along, and stand in the toolkit's results as NAME_001_depth.value.
"""

import argparse
import math
from typing import Any

import cv2
import numpy as np
import trax

from eval.contenders.base import Contender
from eval.contenders.names import make_contender
from tracker import Tracker
from tracker.arrays import Image
from tracker.errors import SourceError


def serve(contender: Contender) -> None:
    """Answer requests until the toolkit says quit."""
    formats, images = [trax.Region.RECTANGLE], [trax.Image.PATH]
    with trax.Server(formats, images, ["color"], tracker_name="depthgate") as server:
        while True:
            request = server.wait()
            if request.type == "quit":
                return
            frame = _read(request.image["color"].path())
            if request.type == "initialize":
                region = request.objects[0][0]
                contender.init(frame, tuple(region.bounds()))
                server.status([(region, {})])
            else:
                server.status([_answer(contender, frame)])


def _read(path: str) -> Image:
    picture = cv2.imread(path)
    if picture is None:
        raise SourceError(f"trax: {path} cannot be decoded; remove it, and the command makes it anew")
    return np.asarray(picture, np.uint8)


def _answer(contender: Contender, frame: Any) -> tuple[Any, dict[str, float]]:
    seen = contender.update(frame)
    properties: dict[str, float] = {"depth": seen.depth} if seen.depth else {}
    if not math.isnan(seen.score):
        properties["confidence"] = seen.score
    return trax.Rectangle.create(*seen.box), properties


def main() -> None:
    """Serve the tracker that the command line names to the toolkit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--contender", default="default")
    parser.add_argument("--model", default="default")
    arguments = parser.parse_args()
    contender = make_contender(arguments.contender, Tracker.load(arguments.model))
    warm_up = np.zeros((64, 64, 3), np.uint8)
    contender.init(warm_up, (16.0, 16.0, 32.0, 32.0))
    contender.update(warm_up)
    serve(contender)


if __name__ == "__main__":
    main()
