"""What the target looked like, at every depth."""

import cv2
import numpy as np

from tracker.arrays import Float32s, Image
from tracker.crop import CropPyramid
from tracker.engine import Engine
from tracker.errors import ModelError
from tracker.manifest import Geometry
from tracker.state import TrackState

Fill = tuple[int, int, int]


def mean_colour(frame: Image) -> Fill:
    """Return the mean BGR of all pixels, rounded down: what crops show outside the frame."""
    blue, green, red = (int(total) // (frame.shape[0] * frame.shape[1]) for total in cv2.sumElems(frame)[:3])
    return blue, green, red


def make_template(
    engine: Engine, frame: Image, state: TrackState, geometry: Geometry, fill: Fill
) -> list[Float32s]:
    """Pass the target's window, at every side that the network asks for, through all stages once.

    Raises:
        ModelError: the network's answer is not finite.
    """
    crops = CropPyramid(frame, state.template_window(), fill)
    templates = engine.template({side: crops[side][None] for side in geometry.template_sides})
    for k, template in enumerate(templates, start=1):
        if not np.isfinite(template).all():
            raise ModelError(
                f"template of depth {k}: got NaN or infinity, expected numbers; export the model again"
            )
    return templates
