"""Names to contenders: budgets of ours, OpenCV's trackers, the static box."""

from typing import Any

import cv2

from eval.contenders.base import Contender, Ours
from eval.contenders.peers import OPENCV
from eval.results.store import digest
from tracker import Tracker
from tracker.errors import BudgetError, SourceError

DEFAULT = "default"
RANDOM = "random depth"


def make_contender(name: str, tracker: Tracker) -> Contender:
    """`default`, any budget, or a name in OPENCV; ours share the tracker that is given.

    Raises:
        SourceError: nobody has that name.
    """
    if name in OPENCV:
        return OPENCV[name]()
    if name == RANDOM:
        raise SourceError(
            f"contender: got {name!r}, which only eval folder and eval sweep know: they have its shares"
        )
    budget = None if name == DEFAULT else name
    try:
        tracker.budget = budget
    except BudgetError as error:
        known = ", ".join(known_contenders(tracker))
        raise SourceError(f"contender: got {name!r} ({error}); known: {known}, or any budget") from error
    return Ours(tracker, budget)


def known_contenders(tracker: Tracker) -> list[str]:
    """Ours at every depth and budget, the control, and OpenCV's."""
    depths = [f"depth:{k}" for k in range(1, tracker.depths)]
    return [DEFAULT, "full", *depths, RANDOM, *OPENCV]


def model_digest(tracker: Tracker) -> str:
    """Of everything that decides a box: graphs, decoding, thresholds."""
    raw = tracker.manifest.raw
    return digest(
        {k: raw[k] for k in ("files", "decode", "state", "geometry", "thresholds", "macs", "backbone_macs")}
    )


def origin(contender: Contender) -> str:
    """Return what a contender's boxes depend on beside the video: our model's digest or OpenCV's version."""
    return model_digest(contender.tracker) if isinstance(contender, Ours) else f"opencv {cv2.__version__}"


def describe_model(tracker: Tracker) -> dict[str, Any]:
    """Name and digest, as every document of results carries them."""
    return {
        "model": f"{tracker.manifest.name}.{tracker.manifest.tag}",
        "model_digest": model_digest(tracker),
    }
