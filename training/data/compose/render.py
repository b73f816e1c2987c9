"""Pixels of a composed frame, or of any view of it, drawn from back to front.

A view is an affine map from the frame to a canvas, so a training crop costs
its own pixels and not the frame's.
"""

import math

import cv2
import numpy as np

from tracker.arrays import Floats, Image
from training.data.augment import MotionBlur
from training.data.compose.motion import after, apply, inverse
from training.data.compose.scene import Layer, Scene

MOST_SMEAR = 41
"""Pixels of the canvas."""


def render(scene: Scene, t: int, view: Floats, size: tuple[int, int]) -> Image:
    """Render frame `t` through `view` (2×3) on a canvas of `size` (width, height), lit, without noise."""
    following = min(t + 1, len(scene.camera) - 1)
    zoom = math.sqrt(abs(np.linalg.det(view[:, :2])))
    now, then = (after(view, scene.camera[k]) for k in (t, following))
    canvas = _warped(scene.background, now, size, cv2.BORDER_REFLECT_101)
    middle = np.array([[size[0] / 2, size[1] / 2]])
    smear = (apply(then, apply(inverse(now), middle)) - middle)[0] * scene.look.shutter
    canvas = _smeared(canvas, smear)
    for layer in (*scene.behind, scene.target, *scene.front, *scene.shadows):
        if layer.shown[t]:
            _lay(canvas, layer, t, following, view, scene.look.shutter)
    if scene.look.soft * zoom > 0.3:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), scene.look.soft * zoom), np.uint8)
    levels = np.arange(256)[:, None] * scene.look.gain[t] + scene.look.offset[t]
    return np.asarray(cv2.LUT(canvas, levels.clip(0, 255).round().astype(np.uint8)[None]), np.uint8)


def _lay(canvas: Image, layer: Layer, t: int, following: int, view: Floats, shutter: float) -> None:
    """Blend one layer into the canvas, in the rectangle that it covers."""
    now, then = (after(view, layer.to_frame[k]) for k in (t, following))
    height, width = layer.picture.shape[:2]
    middle = np.array([[width / 2, height / 2]])
    smear = (apply(then, middle) - apply(now, middle))[0] * (shutter if layer.shown[following] else 0.0)
    corners = apply(now, np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64))
    margin = 1 + min(np.abs(smear).max(), MOST_SMEAR) / 2
    left, top = np.maximum(np.floor(corners.min(0) - margin), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(0) + margin), canvas.shape[1::-1]).astype(int)
    if left >= right or top >= bottom:
        return
    moved = now - np.array([[0, 0, left], [0, 0, top]])
    patch = _smeared(_warped(layer.picture, moved, (right - left, bottom - top), cv2.BORDER_CONSTANT), smear)
    ground = canvas[top:bottom, left:right]
    through = cv2.cvtColor(cv2.bitwise_not(patch[..., 3]), cv2.COLOR_GRAY2BGR)
    seen = cv2.multiply(ground, through, scale=1 / 255)
    canvas[top:bottom, left:right] = cv2.add(seen, cv2.cvtColor(patch, cv2.COLOR_BGRA2BGR))


def _warped(picture: Image, to_canvas: Floats, size: tuple[int, int], border: int) -> Image:
    """Warp the picture by a map in which pixel i covers [i, i + 1); areas are averaged where it shrinks."""
    scale = math.sqrt(abs(np.linalg.det(to_canvas[:, :2])))
    halvings = max(0, math.floor(math.log2(0.75 / max(scale, 1e-3))))
    if halvings:
        height, width = (max(2, round(n / 2**halvings)) for n in picture.shape[:2])
        stretch = np.array([picture.shape[1] / width, picture.shape[0] / height])
        to_canvas = np.concatenate([to_canvas[:, :2] * stretch, to_canvas[:, 2:]], 1)
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    centred = to_canvas.copy()
    centred[:, 2] += to_canvas[:, :2].sum(1) / 2 - 0.5
    return np.asarray(
        cv2.warpAffine(picture, centred, size, flags=cv2.INTER_LINEAR, borderMode=border), np.uint8
    )


def _smeared(image: Image, by: Floats) -> Image:
    """Blur along a line, by pixels."""
    length = min(math.hypot(by[0], by[1]), MOST_SMEAR)
    if length < 2:
        return image
    kernel = MotionBlur(length, math.atan2(by[1], by[0])).kernel(1)
    return np.asarray(cv2.filter2D(image, -1, kernel), np.uint8)
