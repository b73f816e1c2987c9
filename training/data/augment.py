"""Geometric and photometric augmentation of a window's pixels."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from tracker.arrays import Float32s, Floats, Image
from tracker.crop import Window

ELLIPSE_EDGE = 6
"""A distractor fades over a sixth of its radius."""


@dataclass(frozen=True)
class Photometric:
    """Per-channel gain, common offset, and whether colour is dropped."""

    gain: Float32s
    offset: float
    grey: bool

    def apply(self, image: Image) -> Image:
        """H×W×3 uint8 to the same shape; the input stays as it is."""
        levels = np.arange(256, dtype=np.float32)[:, None] * self.gain + self.offset
        table = np.clip(levels, 0, 255).round().astype(np.uint8)[None]
        out = cv2.LUT(image, table)
        if self.grey:
            out = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        return np.asarray(out, np.uint8)

    def varied(self, rng: np.random.Generator) -> "Photometric":
        """Draw a slightly different light, as between two frames of a video; colour or grey stays."""
        gain = self.gain * np.float32(rng.uniform(0.85, 1.15)) * rng.uniform(0.95, 1.05, 3).astype(np.float32)
        return replace(self, gain=gain, offset=self.offset + float(rng.uniform(-10, 10)))


def draw_photometric(rng: np.random.Generator) -> Photometric:
    """Draw a light: gain by channel, offset, and for one in twelve no colour."""
    gain = rng.uniform(0.75, 1.3) * rng.uniform(0.9, 1.1, 3)
    return Photometric(gain.astype(np.float32), float(rng.uniform(-18, 18)), bool(rng.random() < 0.08))


def search_jitter(rng: np.random.Generator) -> tuple[float, float, float]:
    """Scale of the search window, and the target's shift from its centre in window sides.

    Most targets move little between frames; one in four lies anywhere in the inner half.
    """
    scale = math.exp(float(np.clip(rng.normal(0, 0.18), -0.5, 0.5)))
    shift = (
        rng.uniform(-0.27, 0.27, 2) if rng.random() < 0.25 else np.clip(rng.normal(0, 0.085, 2), -0.27, 0.27)
    )
    return scale, float(shift[0]), float(shift[1])


@dataclass(frozen=True)
class MotionBlur:
    """Along a line.

    Attributes:
        share: its length, in sides of the crop.
        angle: in radians, clockwise from the right.
    """

    share: float
    angle: float

    def kernel(self, side: int) -> Float32s:
        """k×k with sum 1, k odd, for a crop of `side` pixels."""
        length = max(3, int(side * self.share) | 1)
        kernel, centre = np.zeros((length, length), np.float32), (length - 1) / 2
        dx, dy = math.cos(self.angle) * centre, math.sin(self.angle) * centre
        ends = [(round(centre + sign * dx), round(centre + sign * dy)) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0)
        blur: Float32s = kernel / kernel.sum()
        return blur

    def apply(self, image: Image) -> Image:
        return np.asarray(cv2.filter2D(image, -1, self.kernel(image.shape[0])), np.uint8)


def draw_blur(rng: np.random.Generator) -> MotionBlur:
    """In a random direction, 1.5 to 6 % of the crop long."""
    return MotionBlur(rng.uniform(0.015, 0.06), rng.uniform(0, math.pi))


@dataclass(frozen=True)
class Distractor:
    """Another object beside the target, in a soft ellipse of about the target's size.

    Attributes:
        item, window: of the store, where it is taken from.
        left, top, size: the square that it fills, in pixels of the scene.
    """

    item: int
    window: Window
    left: int
    top: int
    size: int

    def blend(self, scene: Image, patch: Image) -> Image:
        """Return a new scene; `patch` is its window, size×size."""
        alpha = ellipse(self.size)[..., None]
        across, down = (slice(start, start + self.size) for start in (self.left, self.top))
        out = scene.copy()
        out[down, across] = (out[down, across] * (1 - alpha) + patch * alpha).astype(np.uint8)
        return out


def ellipse(size: int) -> Floats:
    """size×size: 1 inside, falling to 0 at the edge of the inscribed circle."""
    ramp = (np.arange(size) + 0.5) / size * 2 - 1
    radius = np.sqrt(ramp[:, None] ** 2 + ramp[None] ** 2)
    return np.clip((1.0 - radius) * ELLIPSE_EDGE, 0, 1)


def draw_distractor(
    rng: np.random.Generator,
    side: int,
    box: Floats,
    item: int,
    other: Float32s,
) -> Distractor | None:
    """Where `item` of the store goes in a scene of `side` pixels; None: it does not fit beside the target.

    `box` is the target, xyxy in pixels of the scene; `other` the item's, xywh in pixels of its picture.
    """
    size = int(math.sqrt(max(1.0, (box[2] - box[0]) * (box[3] - box[1]))) * rng.uniform(0.7, 1.4))
    if size < 8 or size >= side // 2:
        return None
    x, y, w, h = (float(v) for v in other)
    window = Window(int(x + w / 2 - max(w, h) / 2), int(y + h / 2 - max(w, h) / 2), max(2, int(max(w, h))))
    left, top = (int(v) for v in rng.integers(0, side - size, 2))
    overlap_x = min(left + size, box[2]) - max(left, box[0])
    overlap_y = min(top + size, box[3]) - max(top, box[1])
    if overlap_x > 0 and overlap_y > 0 and overlap_x * overlap_y > 0.1 * size * size:
        return None
    return Distractor(item, window, left, top, size)


@dataclass(frozen=True)
class Surround:
    """Another photograph where a window leaves its own picture.

    Attributes:
        item, window: of the store, what is put there.
        inside: the own picture's part, x0, y0, x1, y1 from the search window's corner, in its pixels.
    """

    item: int
    window: Window
    inside: tuple[int, int, int, int]

    def lay(self, scene: Image, zoom: float, behind: Image) -> Image:
        """Lay the scene's own part upon `behind`, in place; `zoom`: scene pixels per pixel of its window."""
        x0, y0, x1, y1 = (round(edge * zoom) for edge in self.inside)
        behind[y0:y1, x0:x1] = scene[y0:y1, x0:x1]
        return behind
