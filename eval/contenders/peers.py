"""Other people's trackers behind the same two calls."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2

from eval.contenders.base import Answer, Contender
from tracker.arrays import Image
from tracker.boxes import Box
from tracker.errors import SourceError


class OpenCVTracker:
    """A cv2 tracker; a failed update keeps the last box. The main API takes integer boxes, legacy floats."""

    def __init__(self, make: Callable[[], Any], integer: bool = True) -> None:
        self._make, self._integer = make, integer

    def init(self, frame: Image, box: Box) -> None:
        self._tracker = self._make()
        self._tracker.init(frame, tuple(round(v) for v in box) if self._integer else box)
        self._box = box

    def update(self, frame: Image) -> Answer:
        found, box = self._tracker.update(frame)
        if found:
            x, y, w, h = (float(v) for v in box)
            self._box = (x, y, w, h)
        return Answer(self._box)


class StaticBox:
    """Keeps the first box: the floor."""

    def init(self, frame: Image, box: Box) -> None:
        self._box = box

    def update(self, frame: Image) -> Answer:
        return Answer(self._box)


class ModulePeer:
    """A peer of a `run_peers.py`-like module: make(name, threads) with init and update -> (box, score)."""

    def __init__(self, module: ModuleType, name: str, threads: int) -> None:
        self._peer = module.make(name, threads)

    def init(self, frame: Image, box: Box) -> None:
        self._peer.init(frame, box)

    def update(self, frame: Image) -> Answer:
        (x, y, w, h), score = self._peer.update(frame)
        return Answer(
            (float(x), float(y), float(w), float(h)), 0, float("nan") if score is None else float(score)
        )


def _kcf_without_threshold() -> Any:
    """KCF gives up at its default threshold and seldom recovers; this is its better form."""
    parameters = cv2.TrackerKCF.Params()
    parameters.detect_thresh = -1.0
    return cv2.TrackerKCF.create(parameters)


OPENCV: dict[str, Callable[[], OpenCVTracker | StaticBox]] = {
    "kcf": lambda: OpenCVTracker(cv2.TrackerKCF.create),
    "kcf-no-threshold": lambda: OpenCVTracker(_kcf_without_threshold),
    "csrt": lambda: OpenCVTracker(cv2.TrackerCSRT.create),
    "mosse": lambda: OpenCVTracker(cv2.legacy.TrackerMOSSE.create, integer=False),
    "static": StaticBox,
}


def load_peers(path: Path) -> ModuleType:
    """Load the module that drives further peers from its file.

    Raises:
        SourceError: it is not there or has no `make`.
    """
    spec = importlib.util.spec_from_file_location("depthgate_peers", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise SourceError(f"peers: cannot read {path}; expected a Python file with make(name, threads)")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "make"):
        raise SourceError(f"peers: {path} has no make(name, threads)")
    return module


def make_peer(name: str, module: ModuleType | None) -> Contender:
    """OpenCV's tracker of that name, or the one that the module makes.

    Raises:
        SourceError: neither knows it.
    """
    if name in OPENCV:
        return OPENCV[name]()
    if module is None:
        raise SourceError(
            f"peers: got {name!r}, expected one of {', '.join(OPENCV)}, or --peers-from with a module of more"
        )
    try:
        return ModulePeer(module, name, 1)
    except Exception as error:  # whatever a foreign module raises for a name that it does not know
        raise SourceError(f"peers: the module cannot make {name!r} ({error})") from error
