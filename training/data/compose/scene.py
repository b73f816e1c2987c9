"""What happens in a composed sequence: which pictures are layers, and how each moves.

A target moves over a background that a camera sees; look-alikes pass by or
keep it company, strangers cross, things and pieces of other backgrounds cover
it, a shadow sweeps, and now and then it leaves the frame and returns where it
pleases. All maps take pixels of a picture to pixels of the frame.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from tracker.arrays import Bools, Floats, Image
from training.data.compose.library import Library
from training.data.compose.look import Look, draw_look
from training.data.compose.motion import draw_path, draw_shake, draw_wander, log_uniform, place

FRAME_SIZES = ((320, 240), (320, 180), (352, 288), (288, 288), (384, 216))
EXTENT = 0.045, 0.42  # of the target: root of its area, in roots of the frame's
MOST_ENLARGED = 1.6
PACE = 0.008, 0.18  # of the target, in its extents a frame
LOOK_ALIKES = 0.3, 0.35, 0.2, 0.15  # chances of 0, 1, …
STRANGERS = 0.5, 0.3, 0.2
COVERS = 0.35, 0.35, 0.2, 0.1
EXITS = 0.65, 0.25, 0.1
SHADOW, STILL_CAMERA, STEADY_CAMERA, TUMBLING, SAME_OBJECT = 0.25, 0.2, 0.5, 0.15, 0.4
CALM = 12
"""Frames before the first event."""

Flags = Bools


@dataclass(frozen=True, eq=False)
class Layer:
    """A picture that moves.

    Attributes:
        picture: BGR times alpha, and alpha.
        to_frame: T×2×3 maps.
        shown: T.
        item: the library's number of the object, None: it is no object.
    """

    picture: Image
    to_frame: Floats
    shown: Flags
    item: int | None = None

    @property
    def middle(self) -> Floats:
        """T×2: where the picture's middle is in the frame."""
        height, width = self.picture.shape[:2]
        return np.asarray(self.to_frame @ (width / 2, height / 2, 1.0))


@dataclass(frozen=True, eq=False)
class Scene:
    """Layers from back to front: the background seen by the `camera`, `behind`, the target, `front`.

    `size` is width and height; `items` are the library's numbers of target and background.
    """

    size: tuple[int, int]
    background: Image
    camera: Floats
    behind: tuple[Layer, ...]
    target: Layer
    front: tuple[Layer, ...]
    shadows: tuple[Layer, ...]
    look: Look
    items: tuple[int, int]


@dataclass(frozen=True, eq=False)
class _Stage:
    """What all layers share while a scene is drawn: shake T×2, zoom T, roll T."""

    library: Library
    rng: np.random.Generator
    frames: int
    size: tuple[int, int]
    shake: Floats
    zoom: Floats
    roll: Floats

    def layer(
        self, picture: Image, centre: Floats, extent: Floats, turn: Floats | float = 0.0, mirror: bool = False
    ) -> Layer:
        """Return an item's layer: `centre` T×2 before the shake; `extent` T, root of its area in pixels."""
        height, width = picture.shape[:2]
        aspect = draw_wander(self.rng, self.frames, 0.15, (20, 60))[:, 0]
        scale = extent / math.sqrt(height * width)
        both = np.stack([scale * np.exp(aspect / 2) * (-1 if mirror else 1), scale * np.exp(-aspect / 2)], 1)
        maps = place(centre + self.shake, both, self.roll + turn, (width / 2, height / 2))
        return Layer(picture, maps, np.ones(self.frames, np.bool_))

    def passing(self, path: Floats, extent: Floats, reach: float, miss: float) -> Floats:
        """Draw a way, T×2, that meets the path, but for `miss` of its extent, in 4 to 50 frames."""
        rng, frames = self.rng, self.frames
        meet = int(rng.integers(min(CALM, frames - 1), frames))
        length = reach + extent[meet]
        speed = length / math.exp(rng.uniform(math.log(4), math.log(50)))
        heading = rng.uniform(0, 2 * math.pi)
        along = np.array([math.cos(heading), math.sin(heading)])
        aside = np.array([-along[1], along[0]]) * miss * extent[meet] * rng.choice([-1, 1])
        # so that it is still away in the calm at the start
        speed = max(speed, 1.2 * length / meet) if meet else speed
        lag = np.arange(frames)[:, None] - meet
        base = path[meet] + rng.choice([0.0, 0.7]) * (path - path[meet])
        return np.asarray(base + aside + along * speed * lag)


def draw_scene(library: Library, rng: np.random.Generator, frames: int) -> Scene:
    """Draw a scene of `frames` frames; everything in it comes out of `rng`."""
    size = FRAME_SIZES[rng.integers(len(FRAME_SIZES))]
    ground = library.backgrounds.draw(rng)
    background = library.picture(ground)
    still = rng.random() < STILL_CAMERA
    zoom = np.exp(draw_wander(rng, frames, 0.0 if still else 0.15, (25, 80))[:, 0])
    roll = draw_wander(rng, frames, 0.0 if still else 0.06, (20, 60))[:, 0]
    shaking = 0.0 if still or rng.random() < STEADY_CAMERA else log_uniform(rng, 0.3, 4)
    stage = _Stage(library, rng, frames, size, draw_shake(rng, frames, shaking), zoom, roll)
    camera = _camera(stage, background, still)
    item, target, path, extent = _target(stage, background)
    alike, clutter = _others(stage, item, path, extent)
    in_front = [layer for layer in alike if rng.random() < 0.4]
    behind = [*clutter, *(layer for layer in alike if layer not in in_front)]
    covers = [_cover(stage, path, extent) for _ in range(rng.choice(len(COVERS), p=COVERS))]
    shadows = (_shadow(stage),) if rng.random() < SHADOW else ()
    look = draw_look(rng, frames)
    return Scene(
        size, background, camera, tuple(behind), target, (*in_front, *covers), shadows, look, (item, ground)
    )


def _camera(stage: _Stage, background: Image, still: bool) -> Floats:
    """Draw the maps of the background; at zoom 1 it is a little larger than the frame."""
    rng, (width, height) = stage.rng, np.array(stage.size, np.float64)
    fit = max(width / background.shape[1], height / background.shape[0]) * rng.uniform(1.15, 1.8)
    spread = 0.0 if still else log_uniform(rng, 0.02, 0.2)
    pan = draw_wander(rng, stage.frames, np.array([width, height]) * spread, (15, 60))
    scale = np.repeat(fit * stage.zoom[:, None], 2, 1)
    pivot = (background.shape[1] * rng.uniform(0.4, 0.6), background.shape[0] * rng.uniform(0.4, 0.6))
    return place(np.array([width, height]) / 2 + pan + stage.shake, scale, stage.roll, pivot)


def _target(stage: _Stage, background: Image) -> tuple[int, Layer, Floats, Floats]:
    """Draw the target: its library number, layer, way if it never left the frame, and extent."""
    rng, frames, library = stage.rng, stage.frames, stage.library
    item = library.objects.draw(rng)
    picture = library.picture(item)
    frame = np.array(stage.size, np.float64)
    root = math.sqrt(frame[0] * frame[1])
    native = math.sqrt(picture.shape[0] * picture.shape[1])
    base = min(max(log_uniform(rng, *EXTENT) * root, 12.0), MOST_ENLARGED * native)
    growth = draw_wander(rng, frames, log_uniform(rng, 0.03, 0.35), (15, 60))[:, 0]
    extent = np.clip(base * np.exp(growth) * stage.zoom, 9.0, 0.6 * root)
    low, high = frame * 0.12, frame * 0.88
    path = draw_path(rng, frames, rng.uniform(low, high), log_uniform(rng, *PACE) * base, low, high)
    tilt = draw_wander(rng, frames, log_uniform(rng, 0.03, 0.4), (15, 60))[:, 0]
    if rng.random() < TUMBLING:
        tilt = tilt + np.arange(frames) * rng.normal(0, 0.06)
    centre, shown = _with_exits(rng, path, extent, frame)
    gain = np.clip(math.sqrt(background[::4, ::4].mean() / _brightness(picture)), 0.75, 1.3)
    layer = stage.layer(tint(picture, gain * rng.uniform(0.9, 1.1, 3)), centre, extent, tilt)
    return item, replace(layer, shown=shown, item=item), path, extent


def _with_exits(
    rng: np.random.Generator, path: Floats, extent: Floats, frame: Floats
) -> tuple[Floats, Flags]:
    """Bend the path out of the frame for a while and back from any side; say where it may be seen."""
    centre, shown, frames = path.copy(), np.ones(len(path), np.bool_), len(path)
    start = CALM
    for _ in range(rng.choice(len(EXITS), p=EXITS)):
        start += int(rng.integers(5, max(6, frames // 2)))
        away, gone, back = (int(n) for n in rng.integers((6, 8, 6), (26, 46, 26)))
        if start + away >= frames:
            break
        far = 1.5 * extent.max() + 25
        out, into = (_outside(rng, path[min(start, frames - 1)], far, frame, near) for near in (True, False))
        ease = _eased(np.arange(away + 1) / away)
        leave, hidden = slice(start, start + away + 1), slice(start + away + 1, start + away + gone)
        enter = slice(start + away + gone, start + away + gone + back + 1)
        for part, point, share in ((leave, out, ease), (enter, into, _eased(1 - np.arange(back + 1) / back))):
            count = len(centre[part])
            centre[part] += share[:count, None] * (point - centre[part])
        centre[hidden], shown[hidden] = into, False
        start += away + gone + back
    return centre, shown


def _outside(rng: np.random.Generator, point: Floats, far: float, frame: Floats, near: bool) -> Floats:
    """Return a point `far` beyond an edge: the one `near`est to `point`, or any."""
    gaps = np.concatenate([point, frame - point])
    edge = int(gaps.argmin()) if near else int(rng.integers(4))
    out = point.copy() if near else rng.uniform(0.2, 0.8, 2) * frame
    out[edge % 2] = -far if edge < 2 else frame[edge % 2] + far
    return np.asarray(out)


def _others(stage: _Stage, item: int, path: Floats, extent: Floats) -> tuple[list[Layer], list[Layer]]:
    """Draw look-alikes and strangers."""
    rng, library = stage.rng, stage.library
    alike, clutter = [], []
    for _ in range(rng.choice(len(LOOK_ALIKES), p=LOOK_ALIKES)):
        twin = item if rng.random() < SAME_OBJECT else library.objects.sibling(rng, item)
        size = extent * math.exp(rng.normal(0, 0.15))
        picture = tint(library.picture(twin), rng.uniform(0.85, 1.15) * rng.uniform(0.9, 1.1, 3))
        if rng.random() < 0.5:
            way = stage.passing(path, extent, size.max(), rng.uniform(0, 1.5))
        else:
            way = _beside(stage, path, extent)
        tilt = draw_wander(rng, stage.frames, 0.15, (15, 60))[:, 0]
        layer = stage.layer(picture, way, size, tilt, bool(rng.random() < 0.5))
        alike.append(replace(layer, item=twin))
    for _ in range(rng.choice(len(STRANGERS), p=STRANGERS)):
        picture = tint(library.picture(library.objects.draw(rng)), rng.uniform(0.8, 1.2, 3))
        size = extent * math.exp(rng.normal(0, 0.4))
        clutter.append(stage.layer(picture, stage.passing(path, extent, size.max(), rng.uniform(0, 2)), size))
    return alike, clutter


def _beside(stage: _Stage, path: Floats, extent: Floats) -> Floats:
    """Draw a way in the target's company, T×2: one to three extents from it, that may come closer later."""
    rng = stage.rng
    heading, distance = rng.uniform(0, 2 * math.pi), rng.uniform(1.2, 3.0) * extent.mean()
    drift = draw_wander(rng, stage.frames, np.full(2, 0.7 * distance), (20, 70))
    drift = drift - drift[0]
    return np.asarray(path + np.array([math.cos(heading), math.sin(heading)]) * distance + drift)


def _cover(stage: _Stage, path: Floats, extent: Floats) -> Layer:
    """Draw another object, or a piece of another background, that passes in front of the target."""
    rng, library = stage.rng, stage.library
    if rng.random() < 0.5:
        picture = tint(library.picture(library.objects.draw(rng)), rng.uniform(0.8, 1.2, 3))
    else:
        picture = _piece(rng, library.picture(library.backgrounds.draw(rng)))
    size = extent * log_uniform(rng, 0.7, 2.2)
    limit = 0.6 * math.sqrt(stage.size[0] * stage.size[1])
    way = stage.passing(path, extent, size.max() * 1.5, abs(rng.normal(0, 0.2)))
    return stage.layer(picture, way, np.minimum(size, np.maximum(limit, extent)))


def _piece(rng: np.random.Generator, background: Image) -> Image:
    """Cut a rectangle of the background, from a post to a wall, with soft edges."""
    height, width = background.shape[:2]
    w, h = int(width * rng.uniform(0.12, 0.5)), int(height * rng.uniform(0.35, 0.9))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    inner = np.zeros((h, w), np.float32)
    inner[2:-2, 2:-2] = 1
    alpha = cv2.GaussianBlur(inner, (0, 0), 0.8)[..., None]
    return np.concatenate([background[y : y + h, x : x + w] * alpha, alpha * 255], 2).astype(np.uint8)


def _shadow(stage: _Stage) -> Layer:
    """Draw a dark, soft-edged stripe as large as the frame that crosses it."""
    rng, frame = stage.rng, np.array(stage.size, np.float64)
    picture = np.zeros((64, 32, 4), np.uint8)
    picture[8:-8, 6:-6, 3] = rng.integers(60, 140)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.7, 3)), np.uint8)
    extent = np.full(stage.frames, frame.max() * rng.uniform(0.6, 1.5))
    middle = np.repeat(frame[None] / 2, stage.frames, 0)
    way = stage.passing(middle, extent, extent[0], rng.uniform(0, 0.3))
    return stage.layer(picture, way, extent, rng.uniform(-0.6, 0.6))


def tint(picture: Image, gain: Floats) -> Image:
    """Return a new BGRA picture, its colours times `gain` (3)."""
    levels = np.arange(256)[:, None] * np.append(gain, 1.0)
    return np.asarray(cv2.LUT(picture, levels.clip(0, 255).round().astype(np.uint8)[None]), np.uint8)


def _brightness(picture: Image) -> float:
    """Return the mean grey level of the object itself, at least 1."""
    total = picture[::2, ::2].reshape(-1, 4).mean(0)
    return max(1.0, float(total[:3].mean() / max(total[3], 1.0) * 255))


def _eased(share: Floats) -> Floats:
    return np.asarray(share**2 * (3 - 2 * share))
