"""Passes of made-up tracks."""

import numpy as np
import pytest

from training.calibration.passes import Pass


@pytest.fixture
def a_pass():
    """A pass of a source, from rows of (score, overlap); an overlap of NaN is an absent target."""

    def make(source=("set", "video"), auc=0.5, rows=(), present=None, depths=None) -> Pass:
        scores, overlaps = np.array(rows, np.float64).reshape(-1, 2).T
        return Pass(
            source=source,
            auc=auc,
            depths=np.asarray(np.ones(len(scores), int) if depths is None else depths),
            gates=np.empty((0, 3)),
            scores=scores,
            present=np.ones(len(scores), bool) if present is None else np.asarray(present, bool),
            overlaps=overlaps,
        )

    return make
