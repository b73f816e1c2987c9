"""Training pairs out of composed sequences: two frames with real time between them.

The template is cut at the target's box at one time, the search crop at
another where a tracker would look then: about the target, where it was a few
frames ago, or off its way towards something else. Only the two crops are
drawn, never a frame.
"""

import math
import zlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tracker.arrays import Bools, Floats, Image
from tracker.crop import Window, context_side, window_at
from tracker.template import mean_colour
from training.data.augment import Photometric, draw_photometric, search_jitter
from training.data.compose.library import Library
from training.data.compose.look import degrade
from training.data.compose.motion import log_uniform
from training.data.compose.render import render
from training.data.compose.scene import Scene
from training.data.compose.sequence import ComposedSequence, clipped_boxes
from training.data.pairs import (
    SEARCH_PX,
    TEMPLATE_PX,
    Batch,
    Sample,
    batch_of,
    crops,
    scene_px,
)

FRAMES, LONGEST_GAP = 100, 90
WELL_SEEN = 0.6
"""Visible share of a template's target."""
SEARCHES = {"tracked": 0.5, "lagging": 0.25, "drifted": 0.25}
LONGEST_LAG = 8
EVENTFUL_SHARE, NEAR = 0.4, 2.0
"""Of samples whose search time is drawn from those at which something is near; in extents of the target."""
REMOVED_SHARE = 0.04
"""Of samples whose target and its exact twins are taken out of the scene; all else stays."""
INSIDE, OUTSIDE = 0.5, 0.05
"""Share of the box in the window, from which on the target is in view, and up to which it is not."""
THUMBNAIL = 0.125


@dataclass(frozen=True)
class Search:
    """Where a tracker looks, and whether it finds the target there.

    Attributes:
        kind: a key of SEARCHES, `absent` where the target is hidden or gone, or `removed`.
        window: in pixels of the frame.
        box: xyxy in pixels of the 256-px search crop, before `flip`; means nothing where not present.
    """

    kind: str
    window: Window
    box: tuple[float, float, float, float]
    present: bool


@dataclass(frozen=True, eq=False)
class Pair:
    """What a sample shows; pixels are drawn by `sample`."""

    sequence: ComposedSequence
    template_time: int
    search_time: int
    template: Window
    search: Search
    light: Photometric
    flip: bool

    @cached_property
    def scene(self) -> Scene:
        """At search time: without the target if it is not present, and then without its very twins."""
        scene = self.sequence.scene
        return scene if self.search.present else without(scene, scene.target.item)

    def sample(self) -> Sample:
        """Draw the crops."""
        template = self._crops(self.sequence.scene, self.template_time, self.template, TEMPLATE_PX)
        search = self._crops(self.scene, self.search_time, self.search.window, SEARCH_PX)
        left, top, right, bottom = self.search.box
        box = (SEARCH_PX - right, top, SEARCH_PX - left, bottom) if self.flip else self.search.box
        return Sample(search, template, box, self.search.present)

    def _crops(self, scene: Scene, t: int, window: Window, most_px: int) -> dict[int, Image]:
        image = draw_window(scene, t, window, scene_px(window, most_px))
        rng = np.random.default_rng((self.sequence.seed, self.sequence.index, t, 1))
        return crops(self.light.apply(degrade(image, scene.look, rng)), self.flip, most_px)


@dataclass(frozen=True)
class ComposedPairs:
    """Sample i is a function of (library, seed, phase, i); the same interface as PairStream's."""

    library: Library
    seed: int
    phase: str

    def sample(self, index: int) -> Sample:
        """Draw the crops of pair `index`."""
        return self.draw(index).sample()

    def batch(self, start: int, count: int) -> Batch:
        """Make samples start … start + count − 1; of none, arrays of length 0."""
        return batch_of(self, start, count)

    def describe(self, index: int) -> str:
        """Say in a few words how the sample was made."""
        pair = self.draw(index)
        return f"composed {pair.search_time - pair.template_time:+d} frames, {pair.search.kind}"

    def draw(self, index: int) -> Pair:
        """Draw what sample `index` shows."""
        rng = np.random.default_rng((self.seed, zlib.crc32(self.phase.encode()), index, 2))
        sequence = ComposedSequence(self.library, int(rng.integers(2**62)), index, FRAMES)
        first = int(rng.choice(np.flatnonzero(sequence.visible >= WELL_SEEN)))
        second = search_time(rng, sequence, first)
        search = draw_search(rng, sequence, second, math.copysign(1, second - first))
        if rng.random() < REMOVED_SHARE:
            search = replace(search, kind="removed", present=False)
        template = template_window(rng, sequence.boxes[first])
        light = draw_photometric(rng)
        light = replace(light, gain=np.sqrt(light.gain), offset=0.0)  # the scene has light of its own
        return Pair(sequence, first, second, template, search, light, bool(rng.random() < 0.5))


def template_window(rng: np.random.Generator, box: Floats) -> Window:
    """Return the template window as the tracker cuts it, but for a little jitter."""
    x, y, w, h = box.tolist()
    side = context_side(w, h) * math.exp(rng.normal(0, 0.05))
    dx, dy = rng.normal(0, 0.02, 2) * side
    return window_at(x + w / 2 + dx, y + h / 2 + dy, side)


def search_time(rng: np.random.Generator, sequence: ComposedSequence, first: int) -> int:
    """Draw a time at a gap from `first`, of uniform logarithm, either way; or where something is near."""
    gap = round(log_uniform(rng, 1, LONGEST_GAP)) * int(rng.choice([-1, 1]))
    eventful = np.flatnonzero(has_company(sequence))
    if rng.random() < EVENTFUL_SHARE and len(eventful):
        return int(rng.choice(eventful))
    return first + gap if 0 <= first + gap < FRAMES else int(np.clip(first - gap, 0, FRAMES - 1))


def has_company(sequence: ComposedSequence) -> Bools:
    """Return, for T frames, whether the target is present and another object or piece is near it, in view."""
    scene = sequence.scene
    here, size = scene.target.middle, np.sqrt(np.prod(clipped_boxes(scene.target, scene.size)[:, 2:], 1))
    near = np.zeros(sequence.frames, np.bool_)
    for layer in (*scene.behind, *scene.front):
        there = layer.middle
        inside = ((there > 0) & (there < scene.size)).all(1)
        near |= inside & (np.linalg.norm(there - here, axis=1) < NEAR * size)
    return near & ~sequence.absent


def draw_search(rng: np.random.Generator, sequence: ComposedSequence, t: int, onward: float) -> Search:
    """Draw where to look at time t, coming from earlier (`onward` 1) or later (−1) frames."""
    kind = str(rng.choice(list(SEARCHES), p=list(SEARCHES.values())))
    here = sequence.boxes[t]
    if sequence.absent[t]:
        return _search("absent", _jittered(rng, last_seen(sequence, t, onward)), here)
    if kind == "lagging":
        before = int(np.clip(t - onward * rng.integers(1, LONGEST_LAG + 1), 0, sequence.frames - 1))
        seen = _search(kind, _jittered(rng, last_seen(sequence, before, onward), 0.3), here)
    elif kind == "drifted":
        seen = _search(kind, _jittered(rng, _off_its_way(rng, sequence, t), 0.5), here)
    else:
        seen = _search(kind, _jittered(rng, here), here)
    share = share_inside(here, seen.window)
    if OUTSIDE < share < INSIDE:
        return _search("tracked", _jittered(rng, here), here)
    return replace(seen, present=share >= INSIDE)


def last_seen(sequence: ComposedSequence, t: int, onward: float) -> Floats:
    """Return the box of the nearest frame, at t or where one comes from, in which the target is present."""
    present = np.flatnonzero(~sequence.absent)
    before = present[present <= t] if onward > 0 else present[present >= t]
    near = before if len(before) else present
    return np.asarray(sequence.boxes[near[np.abs(near - t).argmin()]])


def share_inside(box: Floats, window: Window) -> float:
    """Return which share of the box's area lies in the window."""
    low, high = np.array([window.x0, window.y0]), np.array([window.x0, window.y0]) + window.side
    overlap = np.minimum(box[:2] + box[2:], high) - np.maximum(box[:2], low)
    return float(np.prod(np.maximum(overlap, 0)) / max(np.prod(box[2:]), 1e-9))


def without(scene: Scene, item: int | None) -> Scene:
    """Return the scene as if its target and all other copies of `item` were not there."""
    gone = replace(scene.target, shown=np.zeros_like(scene.target.shown))
    behind, front = (tuple(x for x in row if x.item != item) for row in (scene.behind, scene.front))
    return replace(scene, target=gone, behind=behind, front=front)


def draw_window(scene: Scene, t: int, window: Window, px: int) -> Image:
    """Draw px×px of frame t, before noise; outside the frame its mean colour, as the tracker fills it."""
    zoom = px / window.side
    corner = np.array([window.x0, window.y0])
    view = np.array([[zoom, 0, -corner[0] * zoom], [0, zoom, -corner[1] * zoom]])
    image = render(scene, t, view, (px, px))
    edges = (np.concatenate([-corner, np.array(scene.size) - corner]) * zoom).round().clip(0, px).astype(int)
    left, top, right, bottom = edges
    if (left, top, right, bottom) == (0, 0, px, px):
        return image
    small = tuple(round(side * THUMBNAIL) for side in scene.size)
    thumbnail = render(scene, t, np.eye(2, 3) * THUMBNAIL, (small[0], small[1]))
    framed = np.empty_like(image)
    framed[:] = mean_colour(thumbnail)
    framed[top:bottom, left:right] = image[top:bottom, left:right]
    return framed


def _off_its_way(rng: np.random.Generator, sequence: ComposedSequence, t: int) -> Floats:
    """Move the target's box to another object or part of the way; without one, a box's breadth off."""
    box, scene = sequence.boxes[t].copy(), sequence.scene
    centre = box[:2] + box[2:] / 2
    others = [x for x in (*scene.behind, *scene.front) if x.item is not None]
    places = [x.middle[t] for x in others]
    inside = [p for p in places if (p > 0).all() and (p < scene.size).all()]
    if inside:
        there = inside[rng.integers(len(inside))]
        box[:2] += (there - centre) * rng.uniform(0.4, 1.0)
    else:
        box[:2] += rng.uniform(-1.5, 1.5, 2) * box[2:]
    return np.asarray(box)


def _jittered(rng: np.random.Generator, box: Floats, share: float = 1.0) -> Window:
    """Return the search window of a state that is off the box by `share` of what search_jitter draws."""
    scale, dx, dy = search_jitter(rng)
    x, y, w, h = box.tolist()
    side = context_side(w, h) * SEARCH_PX / TEMPLATE_PX * scale**share
    return window_at(x + w / 2 - dx * share * side, y + h / 2 - dy * share * side, side)


def _search(kind: str, window: Window, box: Floats) -> Search:
    """Return the search with the box in pixels of the crop; that of nothing is the middle quarter."""
    if np.isnan(box).any():
        return Search(kind, window, (0.375 * SEARCH_PX,) * 2 + (0.625 * SEARCH_PX,) * 2, False)
    zoom = SEARCH_PX / window.side
    left, top = ((box[:2] - (window.x0, window.y0)) * zoom).tolist()
    w, h = (box[2:] * zoom).tolist()
    return Search(kind, window, (left, top, left + w, top + h), True)
