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
    """Centre and size in pixels of a width×height frame, the last verdict, and for how many frames LOST."""

    cx: float
    cy: float
    w: float
    h: float
    width: int
    height: int
    verdict: str = TRACKED
    lost: int = 0

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
        """Return the square around the last centre; its side follows the size, at most the frame's."""
        side = context_side(self.w, self.h) * geometry.search_px / geometry.template_px
        return window_at(self.cx, self.cy, side)

    def follow(
        self, seen: Candidate, depth: int, decode: DecodeConstants, limits: StateConstants
    ) -> "TrackState":
        """Return the state after a frame in which exit `depth` has seen the candidate.

        The centre jumps to it whatever its score: a search that stays where the target was
        does not find it again. The size follows at rate penalty · score · size_rate, and is
        held while LOST; only a TRACKED target is no longer LOST.
        """
        verdict = verdict_of(seen.score, depth, limits)
        if verdict == LOST or (verdict == UNSURE and self.verdict == LOST):
            return self._as(seen.cx, seen.cy, self.w, self.h, LOST, self.lost + 1)
        rate = seen.penalty * seen.score * decode.size_rate
        w, h = self.w + (seen.w - self.w) * rate, self.h + (seen.h - self.h) * rate
        return self._as(seen.cx, seen.cy, w, h, verdict)

    def moved(self, cx: float, cy: float) -> "TrackState":
        """Return the same target at another place of the frame."""
        return self._as(cx, cy, self.w, self.h, self.verdict, self.lost)

    def _as(self, cx: float, cy: float, w: float, h: float, verdict: str, lost: int = 0) -> "TrackState":
        cx, cy = min(max(cx, 0.0), float(self.width)), min(max(cy, 0.0), float(self.height))
        w = min(max(w, MIN_SIDE), max(float(self.width), MIN_SIDE))
        h = min(max(h, MIN_SIDE), max(float(self.height), MIN_SIDE))
        return TrackState(cx, cy, w, h, self.width, self.height, verdict, lost)


def verdict_of(score: float, depth: int, limits: StateConstants) -> str:
    """Return TRACKED, UNSURE or LOST: what a score of exit `depth` (from 1) says."""
    if score >= limits.unsure[depth - 1]:
        return TRACKED
    return UNSURE if score >= limits.lost[depth - 1] else LOST
