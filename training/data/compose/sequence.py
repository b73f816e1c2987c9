"""A composed sequence: frame t and its box are functions of (library, seed, index, t)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from tracker.arrays import Bools, Floats, Image
from training.data.compose.library import Library
from training.data.compose.look import degrade
from training.data.compose.motion import apply, inverse
from training.data.compose.render import render
from training.data.compose.scene import Layer, Scene, draw_scene

ABSENT_BELOW = 0.1
FIRST_VISIBLE, MOST_ABSENT, ATTEMPTS = 0.75, 0.5, 20
LEAST_CONTRAST, CONTRAST_PX = 24, 32
PROBES = 160
"""Points of the target that are looked at to say how much of it is visible."""
OPAQUE = 128

IDENTITY = np.eye(2, 3)


@dataclass(frozen=True, eq=False)
class ComposedSequence:
    """Drawn when asked for; nothing is kept of a frame.

    Attributes:
        seed, index: numbers ≥ 0; two sequences of one seed have nothing to do with each other.
        frames: T.
    """

    library: Library
    seed: int
    index: int
    frames: int = 150

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[Image]:
        return (self.frame(t) for t in range(self.frames))

    def frame(self, t: int) -> Image:
        """Render frame t, H×W×3 uint8 BGR."""
        return self.view(t, IDENTITY, self.size)

    def view(self, t: int, view: Floats, size: tuple[int, int]) -> Image:
        """Render frame t through a 2×3 map from the frame's pixels to a canvas of (width, height)."""
        rng = np.random.default_rng((self.seed, self.index, t, 1))
        return degrade(render(self.scene, t, view, size), self.scene.look, rng)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.scene.size

    @property
    def source(self) -> tuple[str, str]:
        """The pictures that target and background come from."""
        target, ground = self.scene.items
        return str(self.library.source[target]), str(self.library.source[ground])

    @property
    def label(self) -> str:
        """The target's class."""
        return str(self.library.label[self.scene.items[0]])

    @property
    def scene(self) -> Scene:
        """What happens in it."""
        return self._drawn.scene

    @property
    def visible(self) -> Floats:
        """T shares of the target's pixels that are inside the frame with nothing in front."""
        return self._drawn.visible

    @property
    def absent(self) -> Bools:
        """T: less than a tenth of the target is visible."""
        return self.visible < ABSENT_BELOW

    @cached_property
    def boxes(self) -> Floats:
        """T×4, xywh: of the whole target, covered or not, clipped to the frame; NaN where it is absent."""
        return np.where(self.absent[:, None], np.nan, self._drawn.boxes)

    @cached_property
    def _drawn(self) -> "_Drawn":
        """The first scene whose target is seen well at first, stands out, and is there half of the time."""
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng((self.seed, self.index, attempt, 0))
            scene = draw_scene(self.library, rng, self.frames)
            drawn = _Drawn(scene, clipped_boxes(scene.target, scene.size), visible_shares(scene))
            visible = drawn.visible
            there = visible[0] >= FIRST_VISIBLE and (visible < ABSENT_BELOW).mean() <= MOST_ABSENT
            if there and contrast(scene, drawn.boxes[0]) >= LEAST_CONTRAST:
                break
        return drawn


@dataclass(frozen=True, eq=False)
class _Drawn:
    scene: Scene
    boxes: Floats
    visible: Floats


def clipped_boxes(layer: Layer, size: tuple[int, int]) -> Floats:
    """Return T×4 xywh boxes around the layer's opaque pixels, cut at the frame's edges; sides may be 0."""
    corners = apply(layer.to_frame, outline(layer.picture[..., 3]))
    limits = np.asarray(size, np.float64)
    low, high = np.clip(corners.min(1), 0, limits), np.clip(corners.max(1), 0, limits)
    return np.concatenate([low, high - low], 1)


def outline(alpha: Image) -> Floats:
    """Return the convex hull of the opaque pixels' corners, N×2; an affine map keeps it a hull."""
    opaque = alpha >= OPAQUE
    rows = np.flatnonzero(opaque.any(1))
    first, last = opaque[rows].argmax(1), opaque.shape[1] - opaque[rows, ::-1].argmax(1)
    ends = [np.stack([x, y], 1) for x in (first, last) for y in (rows, rows + 1)]
    return cv2.convexHull(np.concatenate(ends).astype(np.int32))[:, 0].astype(np.float64)


def visible_shares(scene: Scene) -> Floats:
    """Return, for T frames, which share of points on the target is in view and not hidden."""
    alpha = scene.target.picture[..., 3]
    rows, columns = np.nonzero(alpha >= OPAQUE)
    few = np.linspace(0, len(rows) - 1, min(PROBES, len(rows))).astype(int)
    points = apply(scene.target.to_frame, np.stack([columns[few], rows[few]], 1) + 0.5)
    seen = ((points >= 0) & (points < np.asarray(scene.size))).all(2) & scene.target.shown[:, None]
    for layer in scene.front:
        seen &= ~_hidden_by(layer, points)
    return np.asarray(seen.mean(1))


def contrast(scene: Scene, box: Floats) -> float:
    """Return by how many grey levels the target changes the pixels of its first box, root mean square."""
    x, y, w, h = box
    stretch = CONTRAST_PX / np.maximum([w, h], 1)
    view = np.array([[stretch[0], 0, -x * stretch[0]], [0, stretch[1], -y * stretch[1]]])
    without = replace(scene, target=replace(scene.target, shown=np.zeros_like(scene.target.shown)))
    seen, ground = (render(s, 0, view, (CONTRAST_PX, CONTRAST_PX)).astype(float) for s in (scene, without))
    return float(np.sqrt(((seen - ground) ** 2).mean()))


def _hidden_by(layer: Layer, points: Floats) -> Bools:
    """Return which of the points, in pixels of the frame, lie under the layer: T×N."""
    height, width = layer.picture.shape[:2]
    x, y = np.moveaxis(np.floor(apply(inverse(layer.to_frame), points)).astype(int), 2, 0)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    opaque = layer.picture[y.clip(0, height - 1), x.clip(0, width - 1), 3] >= OPAQUE
    return np.asarray(inside & opaque & layer.shown[:, None])
