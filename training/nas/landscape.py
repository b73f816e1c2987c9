"""The whole space as a benchmark: a noise-free value for every cell, and repeats drawn around it.

No one holds a noise-free number, so a plausible one is sampled: what the
surrogate predicts, plus a deviation of the cell that agrees with its
measurements where there are any, plus nothing for the luck of a repeat. The
deviations and the luck have the covariances that the surrogate shows on
held-out cells, so that budgets rank cells as they do in the measured rows.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.nas.space import enumerate_space
from training.nas.surrogate import Surrogate
from training.nas.table import EPOCHS, SECONDS_OF_108, Table, logged, unlogged

Floats = npt.NDArray[np.float64]

# Mean and variance of the largest of three standard normal numbers.
BEST_OF_THREE, BEST_OF_THREE_VARIANCE = 0.8463, 0.5595


@dataclass(frozen=True)
class Landscape:
    """Columns over all rows of the space.

    Attributes:
        value: N×4, noise-free `logged` accuracy at EPOCHS, the mean over repeats.
        luck: 4 standard deviations of one repeat around it.
        seconds: N×4 of training.
        measured: N, whether published measurements shaped the value.
    """

    value: npt.NDArray[np.float32]
    luck: Floats
    seconds: npt.NDArray[np.float32]
    measured: npt.NDArray[np.bool_]

    def draw(self, row: int, epoch: int, rng: np.random.Generator) -> tuple[float, float]:
        """Accuracy of one repeat and its seconds; `epoch` is a place in EPOCHS."""
        value = self.value.item(row, epoch) + self.luck[epoch] * rng.standard_normal()
        return 1 - float(np.exp(-max(value, 0.0))), self.seconds.item(row, epoch)

    def accuracy(self) -> Floats:
        """Noise-free accuracy at 108 epochs, N."""
        return unlogged(self.value[:, -1].astype(np.float64))


def make_landscape(surrogate: Surrogate, table: Table | None = None, seed: int = 0) -> Landscape:
    """The benchmark of a surrogate and, where there is one, of the published table."""
    space = enumerate_space()
    rng = np.random.default_rng(seed)
    predicted, seconds108 = surrogate.predict(space, np.arange(len(space)))
    luck = surrogate.luck
    seen = luck**2 * (1, 1, 1, BEST_OF_THREE_VARIANCE)  # variance of the luck in a published number
    deviation = _positive(surrogate.covariance - np.diag(seen))
    value = predicted + rng.multivariate_normal(np.zeros(len(EPOCHS)), deviation, len(space), method="eigh")
    measured = np.zeros(len(space), bool)
    if table is not None:
        gain = deviation @ np.linalg.inv(deviation + np.diag(seen))
        unknown = _positive(deviation - gain @ deviation)
        at = table.rows
        value[at] = predicted[at] + (logged(table.as_published()) - predicted[at]) @ gain.T
        value[at] += rng.multivariate_normal(np.zeros(len(EPOCHS)), unknown, len(at), method="eigh")
        measured[at] = True
        seconds108[at] = np.nanmean(table.seconds[:, -1], 1)
    value[:, -1] -= BEST_OF_THREE * luck[-1]
    seconds = np.stack([offset + slope * seconds108 for offset, slope in SECONDS_OF_108.values()], 1)
    return Landscape(np.maximum(value, 0).astype(np.float32), luck, seconds.astype(np.float32), measured)


def as_published(landscape: Landscape, rows: npt.NDArray[np.int64], seed: int = 0) -> Floats:
    """Draws in the form of the published table: single repeats, at 108 epochs the best of three; M×4."""
    rng = np.random.default_rng(seed)
    draws = landscape.value[rows, :, None] + landscape.luck[:, None] * rng.standard_normal((len(rows), 4, 3))
    return unlogged(np.concatenate([draws[:, :-1, 0], draws[:, -1:].max(2)], 1))


def _positive(matrix: Floats) -> Floats:
    """The nearest covariance: negative eigenvalues become 0."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
