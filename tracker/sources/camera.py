"""A camera of this machine, by its index."""

import time
from collections.abc import Iterator

import cv2
import numpy as np

from tracker.errors import SourceError
from tracker.sources.source import FALLBACK_FPS, Source, Timed


class Camera(Source):
    """Blocks while it waits for a frame; times are those of their arrival.

    Raises:
        SourceError: there is no such camera, or, while reading, it gives no more frames.
    """

    live = True

    def __init__(self, index: int) -> None:
        self.name = f"camera {index}"
        self._capture = cv2.VideoCapture(index)
        if not self._capture.isOpened():
            raise SourceError(f"source: {self.name} cannot be opened; is it connected, and not in use?")
        self.fps = float(self._capture.get(cv2.CAP_PROP_FPS)) or FALLBACK_FPS

    def timed(self) -> Iterator[Timed]:
        start = time.monotonic()
        while True:
            found, frame = self._capture.read()
            if not found:
                raise SourceError(f"source: {self.name} gives no more frames; is it still connected?")
            yield time.monotonic() - start, np.asarray(frame, np.uint8)

    def close(self) -> None:
        self._capture.release()
