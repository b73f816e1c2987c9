"""Where the target is believed to be, and whether it is believed at all."""

from dataclasses import dataclass

from tracker.boxes import Box
from tracker.crop import Window, context_side, window_at
from tracker.decode import Candidate
from tracker.manifest import DecodeConstants, Geometry, StateConstants

TRACKED, UNSURE, LOST = "TRACKED", "UNSURE", "LOST"
MIN_SIDE = 4.0


@dataclass(frozen=True, slots=True)
class TrackState:
    """Centre and size in pixels of a width×height frame, and the last verdict."""

    cx: float
    cy: float
    w: float
    h: float
    width: int
    height: int
    verdict: str = TRACKED

    @classmethod
    def at(cls, box: Box, width: int, height: int) -> "TrackState":
        x, y, w, h = box
        return cls(x + w / 2, y + h / 2, max(w, 1.0), max(h, 1.0), width, height)

    @property
    def box(self) -> Box:
        return self.cx - self.w / 2, self.cy - self.h / 2, self.w, self.h

    def template_window(self) -> Window:
        return window_at(self.cx, self.cy, context_side(self.w, self.h))

    def search_window(self, geometry: Geometry) -> Window:
        """Square around the last centre; its side follows the size, which never exceeds the frame's."""
        side = context_side(self.w, self.h) * geometry.search_px / geometry.template_px
        return window_at(self.cx, self.cy, side)

    def follow(self, seen: Candidate, decode: DecodeConstants, limits: StateConstants) -> "TrackState":
        """The state after a frame.

        The centre jumps to the candidate, the size follows at rate
        penalty · score · size_rate. A candidate below `lost` is not believed:
        position and size stay, so a box never drifts or grows after a loss.
        """
        if not seen.score >= limits.lost:  # NaN is not believed either
            return self._as(self.cx, self.cy, self.w, self.h, LOST)
        rate = seen.penalty * seen.score * decode.size_rate
        verdict = UNSURE if seen.score < limits.unsure else TRACKED
        w, h = self.w + (seen.w - self.w) * rate, self.h + (seen.h - self.h) * rate
        return self._as(seen.cx, seen.cy, w, h, verdict)

    def _as(self, cx: float, cy: float, w: float, h: float, verdict: str) -> "TrackState":
        cx, cy = min(max(cx, 0.0), float(self.width)), min(max(cy, 0.0), float(self.height))
        w = min(max(w, MIN_SIDE), max(float(self.width), MIN_SIDE))
        h = min(max(h, MIN_SIDE), max(float(self.height), MIN_SIDE))
        return TrackState(cx, cy, w, h, self.width, self.height, verdict)
