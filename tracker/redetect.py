"""Find a lost target elsewhere in the frame: a cheap look at one more window a frame, nearest first.

A window in which the target seems to be is a claim. The next frame looks there, as deep as the
budget goes, instead of where the target was lost; only what looks as good there again is believed.
The windows have the usual size, since the network knows the target at that scale: one that widens
after a loss finds less, and more look-alikes.
"""

import math
from dataclasses import dataclass

from tracker.crop import Window, context_side, window_at
from tracker.decode import Candidate
from tracker.manifest import ALWAYS, NEVER, Geometry, StateConstants
from tracker.state import TrackState

PATIENCE = 10  # lost frames before the search leaves the target's surroundings

Taus = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """The windows of a search round the frame, whose turn it is, and the last claim."""

    windows: tuple[Window, ...] = ()
    turn: int = 0
    claim: TrackState | None = None

    def after(self, state: TrackState, geometry: Geometry) -> "Round":
        """Return the round with the next window in turn; a new one begins when patience with a loss ends."""
        if state.lost < PATIENCE:
            return Round()
        if not self.windows:
            return Round(grid(state, geometry))
        return Round(self.windows, (self.turn + 1) % len(self.windows))

    @property
    def window(self) -> Window | None:
        """Where to look beside the target's surroundings, if anywhere."""
        return self.windows[self.turn] if self.windows else None


def grid(state: TrackState, geometry: Geometry) -> tuple[Window, ...]:
    """Return search windows of the usual side that cover the frame, those near the last place first.

    Neighbours overlap by the template's window, so that wherever the target is, one of them
    holds it with its surroundings.
    """
    context = context_side(state.w, state.h)
    side = context * geometry.search_px / geometry.template_px
    step = side - context
    places = [(x, y) for y in _centres(state.height, side, step) for x in _centres(state.width, side, step)]
    places.sort(key=lambda at: math.hypot(at[0] - state.cx, at[1] - state.cy))
    return tuple(window_at(x, y, side) for x, y in places)


def _centres(length: int, side: float, step: float) -> list[float]:
    """Return centres of windows along an edge of the frame, at most `step` apart; or its middle."""
    gaps = math.ceil((length - side) / step)
    if gaps <= 0:
        return [length / 2]
    return [side / 2 + i * (length - side) / gaps for i in range(gaps + 1)]


def is_found(seen: Candidate, depth: int, limits: StateConstants) -> bool:
    """Return whether what exit `depth` sees elsewhere looks as good as the target usually does."""
    return seen.score >= limits.found[depth - 1]


def shallowest(taus: Taus) -> Taus:
    """Return thresholds that stop at the first exit which `taus` evaluates."""
    return tuple(tau if tau >= NEVER else ALWAYS for tau in taus)


def deepest(taus: Taus) -> Taus:
    """Return thresholds that stop at the deepest exit which `taus` may reach."""
    return tuple(tau if tau <= ALWAYS else NEVER for tau in taus)
