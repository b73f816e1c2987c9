"""The whole space as a benchmark: a noise-free value for every cell, and repeats drawn around it.

No one holds a noise-free number, so a plausible one is sampled: what the
surrogate predicts, plus a deviation of the cell that agrees with its
measurements where there are any, plus nothing for the luck of a repeat. The
deviations and the luck have the covariances that the surrogate shows on
held-out cells, so that budgets rank cells as they do in the measured rows.
"""

from dataclasses import dataclass

import numpy as np

from models.nas.space import enumerate_space
from tracker.arrays import Bools, Float32s, Floats, Ints
from training.nas.benchmark.surrogate import Surrogate
from training.nas.benchmark.table import EPOCHS, SECONDS_OF_108, Table, logged, unlogged

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

    value: Float32s
    luck: Floats
    seconds: Float32s
    measured: Bools

    def draw(self, row: int, epoch: int, rng: np.random.Generator) -> tuple[float, float]:
        """Accuracy of one repeat and its seconds; `epoch` is a place in EPOCHS."""
        value = self.value.item(row, epoch) + self.luck[epoch] * rng.standard_normal()
        return 1 - float(np.exp(-max(value, 0.0))), self.seconds.item(row, epoch)

    def accuracy(self) -> Floats:
        """Noise-free accuracy at 108 epochs, N."""
        return unlogged(self.value[:, -1].astype(np.float64))


@dataclass(frozen=True)
class Belief:
    """What is believed of the noise-free values, before anything is sampled.

    Attributes:
        mean: N×4 `logged` accuracy, the mean over repeats; at 108 epochs of one repeat, not of the best.
        rows: R measured rows; known, unknown: 4×4 covariances of a measured and of an unmeasured cell.
        seconds: N×4.
    """

    mean: Floats
    rows: Ints
    known: Floats
    unknown: Floats
    seconds: Floats


def believe(surrogate: Surrogate, table: Table | None = None) -> Belief:
    """Draw the surrogate's predictions towards what the published table says of the cells it has."""
    space = enumerate_space()
    mean, seconds108 = surrogate.predict(space, np.arange(len(space)))
    seen = surrogate.luck**2 * (1, 1, 1, BEST_OF_THREE_VARIANCE)  # variance of the luck in a published number
    unknown = _positive(surrogate.covariance - np.diag(seen))
    gain = unknown @ np.linalg.inv(unknown + np.diag(seen))
    rows = np.array([], np.int64)
    if table is not None:
        rows = table.rows
        mean[rows] += (logged(table.as_published()) - mean[rows]) @ gain.T
        seconds108[rows] = np.nanmean(table.seconds[:, -1], 1)
    mean[:, -1] -= BEST_OF_THREE * surrogate.luck[-1]
    seconds = np.stack([offset + slope * seconds108 for offset, slope in SECONDS_OF_108.values()], 1)
    return Belief(mean, rows, _positive(unknown - gain @ unknown), unknown, seconds)


def make_landscape(surrogate: Surrogate, table: Table | None = None, seed: int = 0) -> Landscape:
    """Make the benchmark of a surrogate and, where there is one, of the published table."""
    belief = believe(surrogate, table)
    rng, zero = np.random.default_rng(seed), np.zeros(len(EPOCHS))
    count, rows = len(belief.mean), belief.rows
    deviation = rng.multivariate_normal(zero, belief.unknown, count, method="eigh")
    deviation[rows] = rng.multivariate_normal(zero, belief.known, len(rows), method="eigh")
    measured = np.zeros(count, bool)
    measured[rows] = True
    value = np.maximum(belief.mean + deviation, 0)
    return Landscape(value.astype(np.float32), surrogate.luck, belief.seconds.astype(np.float32), measured)


def as_published(landscape: Landscape, rows: Ints, seed: int = 0) -> Floats:
    """Draws in the form of the published table: single repeats, at 108 epochs the best of three; M×4."""
    rng = np.random.default_rng(seed)
    draws = landscape.value[rows, :, None] + landscape.luck[:, None] * rng.standard_normal((len(rows), 4, 3))
    return unlogged(np.concatenate([draws[:, :-1, 0], draws[:, -1:].max(2)], 1))


def _positive(matrix: Floats) -> Floats:
    """Return the nearest covariance: negative eigenvalues become 0."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
