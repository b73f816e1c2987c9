"""What the camera makes of a scene: light, blur, noise, compression."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tracker.arrays import Floats, Image
from training.data.compose.motion import draw_wander, log_uniform

Noise = npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Look:
    """Of a whole sequence of T frames.

    Attributes:
        gain: T×3, BGR; offset: T, in grey levels.
        shutter: share of a frame's time that it is open, which is how far things smear.
        soft: deviation of a Gauss blur, in pixels of the frame.
        noise: deviation, in grey levels.
        quality: of JPEG, None: not compressed.
    """

    gain: Floats
    offset: Floats
    shutter: float
    soft: float
    noise: float
    quality: int | None


def draw_look(rng: np.random.Generator, frames: int) -> Look:
    """Draw slow changes of light, with a flicker in one sequence of four; half compressed, a third soft."""
    common = np.clip(draw_wander(rng, frames, 0.1, (10, 60)) + rng.normal(0, 0.08), -0.4, 0.2)
    flicker = rng.normal(0, 0.03, (frames, 1)) if rng.random() < 0.25 else 0.0
    colour = draw_wander(rng, frames, np.full(3, 0.03), (20, 80)) + rng.normal(0, 0.03, 3)
    return Look(
        gain=np.exp(common + flicker + colour),
        offset=draw_wander(rng, frames, 6.0, (20, 80))[:, 0] + rng.normal(0, 6),
        shutter=rng.uniform(0, 0.8),
        soft=float(rng.uniform(0.4, 1.2)) if rng.random() < 0.3 else 0.0,
        noise=float(log_uniform(rng, 0.5, 8)) if rng.random() < 0.7 else 0.0,
        quality=int(rng.integers(25, 90)) if rng.random() < 0.5 else None,
    )


def degrade(image: Image, look: Look, rng: np.random.Generator) -> Image:
    """Return the image with the sensor's noise and a codec's traces."""
    if look.noise:
        image = _noisy(image, look.noise, rng)
    if look.quality is not None:
        ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, look.quality])
        assert ok
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image


def _noise_tile(side: int) -> Noise:
    """Return side×side normal noise of deviation 32."""
    return np.random.default_rng(0).normal(0, 32, (side, side, 3)).round().astype(np.int16)


NOISE = _noise_tile(640)


def _noisy(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    """Add a part of the noise tile; larger images get less than one tile's worth of different noise."""
    height, width = image.shape[:2]
    top, left = (int(rng.integers(0, NOISE.shape[0] - n + 1)) for n in (height, width))
    tile = NOISE[top : top + height, left : left + width]
    return np.asarray(cv2.addWeighted(image, 1.0, tile, deviation / 32, 0, dtype=cv2.CV_8U), np.uint8)
