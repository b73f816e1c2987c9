"""Geometric and photometric augmentation of a window's pixels."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from tracker.crop import Window

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Photometric:
    """Per-channel gain, common offset, and whether colour is dropped."""

    gain: npt.NDArray[np.float32]
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
        """A slightly different light, as between two frames of a video; colour or grey stays."""
        gain = self.gain * np.float32(rng.uniform(0.85, 1.15)) * rng.uniform(0.95, 1.05, 3).astype(np.float32)
        return replace(self, gain=gain, offset=self.offset + float(rng.uniform(-10, 10)))


def draw_photometric(rng: np.random.Generator) -> Photometric:
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


def blur(rng: np.random.Generator, image: Image) -> Image:
    """Motion blur in a random direction, 1.5 to 6 % of the window long."""
    length = max(3, int(image.shape[0] * rng.uniform(0.015, 0.06)) | 1)
    kernel = np.zeros((length, length), np.float32)
    angle, centre = rng.uniform(0, math.pi), (length - 1) / 2
    dx, dy = math.cos(angle) * centre, math.sin(angle) * centre
    cv2.line(
        kernel,
        (round(centre - dx), round(centre - dy)),
        (round(centre + dx), round(centre + dy)),
        1.0,
    )
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def add_distractor(
    rng: np.random.Generator,
    scene: Image,
    box: npt.NDArray[np.float64],
    other: Callable[[Window, int], Image],
    other_box: npt.NDArray[np.float32],
) -> Image:
    """Blend another object beside the target, in a soft ellipse of the target's size.

    `box` is the target, xyxy in pixels of the scene; `other_box` xywh in pixels
    of the picture that `other` takes its window from, resized to a side.
    Returns a new image; where nothing fits, the scene.
    """
    side = scene.shape[0]
    size = int(math.sqrt(max(1.0, (box[2] - box[0]) * (box[3] - box[1]))) * rng.uniform(0.7, 1.4))
    if size < 8 or size >= side // 2:
        return scene
    x, y, w, h = (float(v) for v in other_box)
    window = Window(int(x + w / 2 - max(w, h) / 2), int(y + h / 2 - max(w, h) / 2), max(2, int(max(w, h))))
    patch = other(window, size)
    left, top = (int(v) for v in rng.integers(0, side - size, 2))
    overlap_x = min(left + size, box[2]) - max(left, box[0])
    overlap_y = min(top + size, box[3]) - max(top, box[1])
    if overlap_x > 0 and overlap_y > 0 and overlap_x * overlap_y > 0.1 * size * size:
        return scene
    ramp = (np.arange(size) + 0.5) / size * 2 - 1
    radius = np.sqrt(ramp[:, None] ** 2 + ramp[None] ** 2)
    alpha = np.clip((1.0 - radius) * 6, 0, 1)[..., None]
    out = scene.copy()
    region = out[top : top + size, left : left + size]
    out[top : top + size, left : left + size] = (region * (1 - alpha) + patch * alpha).astype(np.uint8)
    return out
