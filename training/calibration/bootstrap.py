"""Does a gain hold elsewhere? A paired bootstrap over sources, with every data set left out once."""

import numpy as np

from tracker.arrays import Floats, Ints
from training.calibration.passes import Source

DRAWS = 2_000
LEVEL = 0.05
SEED = 0


def lower_bound(gains: dict[Source, float]) -> float:
    """Return the LEVEL / 2 quantile of the mean gain over DRAWS draws of the sources with replacement.

    A draw's mean is taken over its sources of each data set, then over its data sets. The gains are
    paired: of two trackers on the same source (Efron and Tibshirani 1993, chapter 13).
    """
    rng = np.random.default_rng(SEED)
    values = np.array(list(gains.values()))
    datasets = np.array([dataset for dataset, _ in gains])
    drawn = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), DRAWS)
    means = np.stack(
        [_mean_of(drawn[:, datasets == name], values[datasets == name]) for name in set(datasets)]
    )
    return float(np.quantile(np.nanmean(means, 0), LEVEL / 2))


def _mean_of(counts: Ints, values: Floats) -> Floats:
    """Average the values that each draw holds so many times; NaN for a draw that holds none."""
    total = counts.sum(1)
    return np.where(total > 0, counts @ values / np.maximum(total, 1), np.nan)


def holds(gains: dict[Source, float]) -> bool:
    """Return whether zero gain is excluded, also without any one of the data sets."""
    datasets = {dataset for dataset, _ in gains}
    rest = [{s: gain for s, gain in gains.items() if s[0] != left} for left in datasets]
    return all(lower_bound(part) > 0 for part in (gains, *rest) if part)
