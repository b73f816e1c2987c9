"""One-pass evaluation: success, precision, average overlap; the definitions of OTB and GOT-10k.

Frames where the target is absent are left out; the first frame is in.
"""

from dataclasses import dataclass

import numpy as np

from tracker.arrays import Bools, Floats
from tracker.boxes import overlap

THRESHOLDS = np.linspace(0, 1, 21)
PRECISION_PX = 20.0


@dataclass(frozen=True)
class Accuracy:
    """Of one sequence, or the mean of several.

    auc: mean of the success curve over 21 thresholds (IoU > t, as OTB has it);
    ao: mean IoU; sr50: share of frames with IoU > 0.5; p20: share with a
    centre error of at most 20 px; frames: how many were judged.
    """

    auc: float
    ao: float
    sr50: float
    p20: float
    frames: int


def success_curve(overlaps: Floats) -> Floats:
    """Share of frames whose IoU exceeds each of the 21 thresholds (Wu et al. 2013)."""
    return np.asarray((overlaps[None] > THRESHOLDS[:, None]).mean(1))


def centre_errors(boxes: Floats, truth: Floats) -> Floats:
    """Distance of the centres, N values in pixels."""
    return np.asarray(
        np.linalg.norm((boxes[:, :2] + boxes[:, 2:] / 2) - (truth[:, :2] + truth[:, 2:] / 2), axis=1)
    )


def accuracy(boxes: Floats, truth: Floats, visible: Bools) -> Accuracy:
    """N×4 xywh boxes against the truth on the visible frames.

    Raises:
        ValueError: other lengths, or nothing is visible.
    """
    if not len(boxes) == len(truth) == len(visible):
        raise ValueError(f"accuracy: got {len(boxes)} boxes for {len(truth)} rows of truth")
    if not visible.any():
        raise ValueError("accuracy: the target is visible in no frame")
    overlaps = overlap(boxes[visible], truth[visible])
    errors = centre_errors(boxes[visible], truth[visible])
    return Accuracy(
        auc=float(success_curve(overlaps).mean()),
        ao=float(overlaps.mean()),
        sr50=float((overlaps > 0.5).mean()),
        p20=float((errors <= PRECISION_PX).mean()),
        frames=int(visible.sum()),
    )
