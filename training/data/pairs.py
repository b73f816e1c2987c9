"""Sample i of a phase: a template crop, a search crop, and where the target is.

A sample is a function of (seed, phase, i) and of nothing else, so a run can
stop anywhere, resume, and change its batch size without moving a sample.
"""

import zlib
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from tracker.arrays import Bools, Float32s, Floats, Image, Ints
from tracker.crop import Window, context_side, cut, window_at
from tracker.errors import SourceError
from training.data.augment import (
    Distractor,
    MotionBlur,
    Photometric,
    Surround,
    draw_blur,
    draw_distractor,
    draw_photometric,
    search_jitter,
)
from training.data.store import ANNOTATED, BACKGROUND, KINDS, PSEUDO, RELIABLE, STILL, PictureStore

SEARCH_PX, TEMPLATE_PX = 256, 128
KIND_SHARES = {ANNOTATED: 0.34, RELIABLE: 0.24, PSEUDO: 0.06, STILL: 0.36}
NEGATIVE_SHARE, DISTRACTOR_SHARE, BLUR_SHARE = 0.08, 0.15, 0.12
MOSTLY_FILL, SURROUND_SHARE = 0.6, 0.6


@dataclass(frozen=True)
class Batch:
    """Crops uint8 N×s×s×3 BGR by side; boxes N×4 xyxy in pixels of the 256-px search crop; present N bool."""

    search: dict[int, Image]
    template: dict[int, Image]
    boxes: Float32s
    present: Bools


@dataclass(frozen=True)
class Sample:
    """One row of a Batch."""

    search: dict[int, Image]
    template: dict[int, Image]
    box: tuple[float, float, float, float]
    present: bool


@dataclass(frozen=True)
class Draw:
    """What a sample shows, decided before a pixel is read.

    Attributes:
        template_item, search_item: of the store; the search item may be another target's.
        template, search: windows in pixels of their pictures.
        template_look, search_look: their light.
        box: of the search item, xyxy in pixels of the 256-px search crop, before `flip`.
        present: the search item shows the template's target.
        flip: both crops are mirrored left to right, after everything else.
        surround, distractor, blur: of the search crop, in this order; light comes before the blur.
    """

    template_item: int
    search_item: int
    template: Window
    search: Window
    template_look: Photometric
    search_look: Photometric
    box: tuple[float, float, float, float]
    present: bool
    flip: bool
    surround: Surround | None
    distractor: Distractor | None
    blur: MotionBlur | None

    def seen_box(self) -> tuple[float, float, float, float]:
        """Return the box after `flip`."""
        left, top, right, bottom = self.box
        return (SEARCH_PX - right, top, SEARCH_PX - left, bottom) if self.flip else self.box


class PairStream:
    """Draws kind, group, track and two of its frames; stills pair with themselves.

    A store need not have every kind: what `shares` says of one that it lacks goes to the others, and where
    there are no backgrounds or stills, what stands behind or beside the target comes from the rest.
    """

    def __init__(
        self, store: PictureStore, seed: int, phase: str, shares: dict[int, float] = KIND_SHARES
    ) -> None:
        self.store, self.seed, self.phase = store, seed, zlib.crc32(phase.encode())
        self._groups: dict[int, list[list[Ints]]] = {}
        self._weights: dict[int, Floats] = {}
        for kind in (*KIND_SHARES, BACKGROUND):
            groups = _tracks_by_group(store, kind)
            size = np.array([len(tracks) for tracks in groups], np.float64)
            self._groups[kind] = groups
            self._weights[kind] = np.sqrt(size) / max(1.0, np.sqrt(size).sum())
        self._kinds = [kind for kind in shares if self._groups[kind]]
        there = [shares[kind] for kind in self._kinds]
        self._shares = there if len(there) == len(shares) else (np.array(there) / sum(there)).tolist()
        if not self._kinds:
            raise SourceError(
                "training data: there is no target to draw; do the packs or data sets hold any?"
            )
        for kind in (STILL, BACKGROUND):
            if not self._groups[kind]:
                self._groups[kind] = self._groups[self._kinds[0]]
                self._weights[kind] = self._weights[self._kinds[0]]

    def sample(self, index: int) -> Sample:
        drawn = self.draw(index)
        scene = self._scene(drawn.template_item, drawn.template, TEMPLATE_PX)
        template = crops(drawn.template_look.apply(scene), drawn.flip, TEMPLATE_PX)
        search = crops(self._search_scene(drawn), drawn.flip, SEARCH_PX)
        return Sample(search, template, drawn.seen_box(), drawn.present)

    def draw(self, index: int) -> Draw:
        """Draw what sample `index` shows."""
        rng = np.random.default_rng((self.seed, self.phase, index))
        track = self._track(rng, int(rng.choice(self._kinds, p=self._shares)))
        first, second = int(rng.choice(track)), int(rng.choice(track))
        present = bool(rng.random() >= NEGATIVE_SHARE)
        if not present:
            other = self._track(rng, BACKGROUND if rng.random() < 0.3 else int(rng.choice(self._kinds)))
            second = int(rng.choice(other))
            present = bool(self.store.track[second] == self.store.track[first])
        flip, look = bool(rng.random() < 0.5), draw_photometric(rng)
        template = self._template_window(rng, first)
        varied = look.varied(rng)
        search, box = self._search_window(rng, second)
        return Draw(
            template_item=first,
            search_item=second,
            template=template,
            search=search,
            template_look=look,
            search_look=varied,
            box=box,
            present=present,
            flip=flip,
            surround=self._surround(rng, second, search),
            distractor=self._distractor(rng, search, box),
            blur=draw_blur(rng) if rng.random() < BLUR_SHARE else None,
        )

    def batch(self, start: int, count: int) -> Batch:
        """Make samples start … start + count − 1; of none, arrays of length 0."""
        return batch_of(self, start, count)

    def describe(self, index: int) -> str:
        """Say in a few words what the sample is made of."""
        drawn = self.draw(index)
        kinds = [KINDS[int(self.store.kind[item])] for item in (drawn.template_item, drawn.search_item)]
        added = [name for name in ("surround", "distractor", "blur") if getattr(drawn, name)]
        return ", ".join([*dict.fromkeys(kinds), *added])

    def _track(self, rng: np.random.Generator, kind: int) -> Ints:
        groups = self._groups[kind]
        tracks = groups[int(rng.choice(len(groups), p=self._weights[kind]))]
        return tracks[int(rng.integers(len(tracks)))]

    def _template_window(self, rng: np.random.Generator, item: int) -> Window:
        x, y, w, h = self.store.box[item].tolist()
        side = context_side(w, h) * np.exp(rng.normal(0, 0.05))
        dx, dy = rng.normal(0, 0.02, 2) * side
        return window_at(x + w / 2 + dx, y + h / 2 + dy, side)

    def _search_window(
        self, rng: np.random.Generator, item: int
    ) -> tuple[Window, tuple[float, float, float, float]]:
        x, y, w, h = self.store.box[item].tolist()
        if w <= 0:
            height, width = int(self.store.height[item]), int(self.store.width[item])
            w = h = min(height, width) * rng.uniform(0.15, 0.4)
            x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        scale, dx, dy = search_jitter(rng)
        side = context_side(w, h) * SEARCH_PX / TEMPLATE_PX * scale
        window = window_at(x + w / 2 - dx * side, y + h / 2 - dy * side, side)
        zoom = SEARCH_PX / window.side
        left, top = (x - window.x0) * zoom, (y - window.y0) * zoom
        return window, (left, top, left + w * zoom, top + h * zoom)

    def _surround(self, rng: np.random.Generator, item: int, window: Window) -> Surround | None:
        """Choose another photograph to put around a large object, whose window would be mostly fill."""
        height, width = int(self.store.height[item]), int(self.store.width[item])
        x0, x1 = max(window.x0, 0), min(window.x0 + window.side, width)
        y0, y1 = max(window.y0, 0), min(window.y0 + window.side, height)
        covered = max(0, x1 - x0) * max(0, y1 - y0) / window.side**2
        if covered > MOSTLY_FILL or rng.random() > SURROUND_SHARE:
            return None
        behind = int(self._track(rng, BACKGROUND)[0])
        shape = int(self.store.height[behind]), int(self.store.width[behind])
        side = int(min(shape) * rng.uniform(0.7, 1.0))
        left, top = (int(rng.integers(0, n - side + 1)) for n in (shape[1], shape[0]))
        inside = (x0 - window.x0, y0 - window.y0, x1 - window.x0, y1 - window.y0)
        return Surround(behind, Window(left, top, side), inside)

    def _distractor(
        self, rng: np.random.Generator, window: Window, box: tuple[float, float, float, float]
    ) -> Distractor | None:
        if rng.random() >= DISTRACTOR_SHARE:
            return None
        item, px = int(rng.choice(self._track(rng, STILL))), scene_px(window, SEARCH_PX)
        return draw_distractor(rng, px, np.array(box) * px / SEARCH_PX, item, self.store.box[item])

    def _search_scene(self, drawn: Draw) -> Image:
        scene = self._scene(drawn.search_item, drawn.search, SEARCH_PX)
        px = scene.shape[0]
        if drawn.surround:
            behind = self.store.region(drawn.surround.item, drawn.surround.window, px)
            scene = drawn.surround.lay(scene, px / drawn.search.side, behind)
        if drawn.distractor:
            patch = self.store.region(drawn.distractor.item, drawn.distractor.window, drawn.distractor.size)
            scene = drawn.distractor.blend(scene, patch)
        scene = drawn.search_look.apply(scene)
        return drawn.blur.apply(scene) if drawn.blur else scene

    def _scene(self, item: int, window: Window, most_px: int) -> Image:
        return self.store.region(item, window, scene_px(window, most_px))


def scene_px(window: Window, most_px: int) -> int:
    """Return the side that augmentation works at: the window's own pixels, at most `most_px`."""
    return min(window.side, most_px)


class Samples(Protocol):
    """What a batch is made from, a sample at a time."""

    def sample(self, index: int) -> Sample:
        """Make sample `index`, a function of `index` alone."""
        ...


class Pairs(Samples, Protocol):
    """A stream of pairs: PairStream, and those that stand beside or around it."""

    def batch(self, start: int, count: int) -> Batch:
        """Make samples start … start + count − 1; of none, arrays of length 0."""
        ...

    def describe(self, index: int) -> str:
        """Say in a few words how the sample was made."""
        ...


def batch_of(stream: Samples, start: int, count: int) -> Batch:
    """Make samples start … start + count − 1; of none, arrays of length 0."""
    if count == 0:
        return _none_of(batch_of(stream, start, 1))
    samples = [stream.sample(i) for i in range(start, start + count)]
    return Batch(
        {side: np.stack([s.search[side] for s in samples]) for side in samples[0].search},
        {side: np.stack([s.template[side] for s in samples]) for side in samples[0].template},
        np.asarray([s.box for s in samples], np.float32),
        np.asarray([s.present for s in samples]),
    )


def _none_of(batch: Batch) -> Batch:
    search, template = (
        {side: x[:0] for side, x in crops.items()} for crops in (batch.search, batch.template)
    )
    return Batch(search, template, batch.boxes[:0], batch.present[:0])


def _tracks_by_group(store: PictureStore, kind: int) -> list[list[Ints]]:
    """Group the tracks of a kind: a list of groups, each a list of tracks, each an array of items."""
    items = np.flatnonzero(store.kind == kind)
    tracks: dict[int, list[int]] = {}
    for item in items:
        tracks.setdefault(int(store.track[item]), []).append(int(item))
    groups: dict[int, list[Ints]] = {}
    for members in tracks.values():
        groups.setdefault(int(store.group[members[0]]), []).append(np.asarray(members))
    return list(groups.values())


def crops(scene: Image, flip: bool, side: int) -> dict[int, Image]:
    """Cut the scene's crop at `side` and at half of it, as the tracker cuts them from one window."""
    whole = Window(0, 0, scene.shape[0])
    crops = {px: cut(scene, whole, px, (0, 0, 0)) for px in (side // 2, side)}
    return {px: np.asarray(cv2.flip(crop, 1), np.uint8) for px, crop in crops.items()} if flip else crops
