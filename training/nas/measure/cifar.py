"""CIFAR-10 of the image pack as arrays: all pictures, as JPEG copies of quality 75."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tracker.arrays import Ints
from tracker.errors import SourceError

SIDE, END_OF_JPEG = 32, b"\xff\xd9"
MEAN, SPREAD = (125.31, 122.95, 113.87), (62.99, 62.09, 66.70)  # RGB, of google-research/nasbench
FIRST_OF_VALIDATION = 40_000


@dataclass(frozen=True)
class Pictures:
    """N×32×32×3 uint8 RGB and N labels 0 … 9."""

    pixels: npt.NDArray[np.uint8]
    labels: Ints

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, where: slice) -> "Pictures":
        return Pictures(self.pixels[where], self.labels[where])


def read_split(folder: Path) -> tuple[Pictures, Pictures]:
    """NAS-Bench-101's split of the 50,000: batches 1 to 4 to train on, batch 5 to validate on.

    Raises:
        SourceError: FOLDER is not the pack's cifar10 folder.
    """
    try:
        header = (folder / "jpeg75-header.bin").read_bytes()
        body = (folder / "jpeg75-train.bin").read_bytes()
        ends = np.load(folder / "jpeg75-train-len.npy").astype(int).cumsum()
        labels = np.load(folder / "train_labels.npy").astype(np.int64)
    except OSError as error:
        raise SourceError(f"cifar10: {error}; expected the pack's folder images/cifar10") from error
    pixels = np.empty((len(ends), SIDE, SIDE, 3), np.uint8)
    for i, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        coded = np.frombuffer(header + body[start:end] + END_OF_JPEG, np.uint8)
        pixels[i] = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR_RGB))
    whole = Pictures(pixels, labels)
    return whole[:FIRST_OF_VALIDATION], whole[FIRST_OF_VALIDATION:]


def normalised(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """N×s×s×3 RGB to float N×3×s×s, channels last, of about mean 0 and deviation 1."""
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    mean, spread = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, SPREAD))
    return ((x - mean) / spread).contiguous(memory_format=torch.channels_last)
