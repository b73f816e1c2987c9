"""depthgate's tracker: NumPy, OpenCV and ONNX Runtime, no torch.

>>> from tracker import Tracker
>>> t = Tracker.load()
>>> t.init(frame, (x, y, w, h))
>>> p = t.update(next_frame)
"""

from tracker.errors import (
    BoxError,
    BudgetError,
    FrameError,
    ManifestError,
    ModelError,
    SourceError,
    TrackerError,
)
from tracker.tracker import Prediction, Tracker

__all__ = [
    "BoxError",
    "BudgetError",
    "FrameError",
    "ManifestError",
    "ModelError",
    "Prediction",
    "SourceError",
    "Tracker",
    "TrackerError",
]
