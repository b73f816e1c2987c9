"""Sample i of a phase on an image folder: a crop of a picture, and its class.

A sample is a function of (seed, phase, i) and of nothing else. Every n samples
are a permutation of the n pictures, so that none comes twice in an epoch. The
crop is 8 … 100 % of the picture's area with an aspect of 3/4 … 4/3, mirrored
half of the time (Szegedy et al. 2015, arXiv 1409.4842, section 6, as Goyal et
al. 2017, arXiv 1706.02677, use it). To validate: the centre, 224/256 of the
short side, so that a side of 224 is cut from a picture resized to 256.
"""

import math
import zlib
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from tracker.arrays import Image, Ints
from training.data.image_folder import Corners, Picture, Split

AREA, ASPECT, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10
CENTRE = 224 / 256
PERMUTATIONS = 2  # those that a batch may touch


@dataclass(frozen=True)
class ImageBatch:
    """images uint8 N×s×s×3 BGR, labels int64 N."""

    images: Image
    labels: Ints


class ImageStream:
    """Random crops of a split, epoch after epoch."""

    def __init__(self, split: Split, side: int, seed: int, phase: str) -> None:
        self.split, self.side = split, side
        self._key = seed, zlib.crc32(phase.encode())
        self._permutation = lru_cache(PERMUTATIONS)(self._permuted)

    def batch(self, start: int, count: int) -> ImageBatch:
        """Make samples start … start + count − 1; of none, arrays of length 0.

        Raises:
            SourceError: a picture cannot be read.
        """
        drawn = range(start, start + count)
        return _batch(self.split, self.side, [self.item(i) for i in drawn], [self._crop(i) for i in drawn])

    def item(self, index: int) -> int:
        """Which picture of the split sample `index` shows."""
        epoch, at = divmod(index, len(self.split))
        return int(self._permutation(epoch)[at])

    def _crop(self, index: int) -> Image:
        rng = np.random.default_rng((*self._key, index))
        picture = Picture(self.split.folder / self.split.names[self.item(index)])
        crop = picture.crop(random_crop(rng, picture.height, picture.width), self.side)
        return np.asarray(cv2.flip(crop, 1), np.uint8) if rng.random() < 0.5 else crop

    def _permuted(self, epoch: int) -> Ints:
        return np.random.default_rng((*self._key, epoch, 1)).permutation(len(self.split))


class CentreStream:
    """Every picture of a split once, in its order, cut in the middle."""

    def __init__(self, split: Split, side: int) -> None:
        self.split, self.side = split, side

    def batch(self, start: int, count: int) -> ImageBatch:
        """See ImageStream."""
        items = list(range(start, start + count))
        return _batch(self.split, self.side, items, [self._crop(i) for i in items])

    def _crop(self, item: int) -> Image:
        picture = Picture(self.split.folder / self.split.names[item])
        return picture.crop(centre_crop(picture.height, picture.width), self.side)


def _batch(split: Split, side: int, items: list[int], crops: list[Image]) -> ImageBatch:
    images = np.stack(crops) if crops else np.empty((0, side, side, 3), np.uint8)
    return ImageBatch(images, split.labels[items])


def random_crop(rng: np.random.Generator, height: int, width: int) -> Corners:
    """x0, y0, x1, y1 of a crop of H×W pixels; an aspect and its inverse are equally likely.

    Where none of TRIES draws fits into the picture, the largest crop of a legal aspect in its middle.
    """
    low, high = ASPECT
    for _ in range(TRIES):
        area = rng.uniform(*AREA) * height * width
        aspect = math.exp(rng.uniform(math.log(low), math.log(high)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return x, y, x + w, y + h
    return _middle(height, width, min(height, int(width / low)), min(width, int(height * high)))


def centre_crop(height: int, width: int) -> Corners:
    """x0, y0, x1, y1 of the square in the middle, CENTRE of the short side wide."""
    side = max(1, round(CENTRE * min(height, width)))
    return _middle(height, width, side, side)


def _middle(height: int, width: int, h: int, w: int) -> Corners:
    x, y = (width - w) // 2, (height - h) // 2
    return x, y, x + w, y + h
