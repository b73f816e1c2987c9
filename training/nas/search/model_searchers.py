"""Searchers that fit a model to what they have seen: TPE and BOHB (optuna), SMAC (smac), a predictor.

Each is imported where it is used, since optuna and smac take seconds.
"""

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import numpy as np

from models.nas.features import features
from models.nas.raw_index import ILLEGAL, INTERIOR, raw_index
from models.nas.space import enumerate_space
from training.nas.search.searchers import (
    FULL,
    PAIRS,
    POWERS,
    Hyperband,
    Mutations,
    Raw,
    random_cells,
)

EDGES = tuple(f"edge {bit}" for bit in range(PAIRS))
OPERATIONS = tuple(f"operation {v}" for v in range(1, INTERIOR + 1))


def raw_of(values: dict[str, int]) -> Raw:
    """Build the cell of 21 binary and 5 ternary parameters (encoding A of automl/nas_benchmarks)."""
    adj = sum(int(values[name]) << bit for bit, name in enumerate(EDGES))
    return Raw(adj, sum(int(values[name]) * int(p) for name, p in zip(OPERATIONS, POWERS, strict=True)))


def values_of(raw: Raw) -> dict[str, int]:
    """Invert raw_of."""
    edges = {name: raw.adj >> bit & 1 for bit, name in enumerate(EDGES)}
    return edges | {name: raw.ops // int(p) % 3 for name, p in zip(OPERATIONS, POWERS, strict=True)}


class _Parzen:
    """optuna's tree of Parzen estimators over the 26 parameters."""

    def __init__(self, seed: int, **settings: Any) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        choice = optuna.distributions.CategoricalDistribution
        self._optuna = optuna
        self._space: dict[str, Any] = dict.fromkeys(EDGES, choice((0, 1)))
        self._space |= dict.fromkeys(OPERATIONS, choice((0, 1, 2)))
        self._study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, **settings)
        )
        self.seen = 0

    def suggest(self) -> Raw:
        trial = self._study.ask(self._space)
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        return raw_of(trial.params)

    def observe(self, raw: Raw, accuracy: float) -> None:
        self._study.add_trial(
            self._optuna.trial.create_trial(params=values_of(raw), distributions=self._space, value=accuracy)
        )
        self.seen += 1


class Tpe:
    """Bergstra et al. 2011, as optuna has it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._model = _Parzen(int(rng.integers(1 << 31)))

    def ask(self) -> tuple[Raw, int]:
        return self._model.suggest(), FULL

    def tell(self, raw: Raw, epochs: int, accuracy: float) -> None:
        self._model.observe(raw, accuracy)


class Bohb(Hyperband):
    """Hyperband whose new cells come from a Parzen model of the longest budget that has results enough.

    Falkner et al. 2018, arXiv 1807.01774; one cell in three stays random. hpbandster,
    the authors' library, is no longer kept, so the model is optuna's (multivariate).
    """

    RANDOM_SHARE, ENOUGH = 1 / 3, 27

    def __init__(self, rng: np.random.Generator) -> None:
        seed = int(rng.integers(1 << 31))
        self._models = {epochs: _Parzen(seed, multivariate=True) for epochs in self.BUDGETS}
        self._rng, self._random = rng, random_cells(rng)
        super().__init__(self._suggestions(), self._observe)

    def _suggestions(self) -> Iterator[Raw]:
        while True:
            ready = [m for m in self._models.values() if m.seen >= self.ENOUGH]
            if not ready or self._rng.random() < self.RANDOM_SHARE:
                yield next(self._random)
            else:
                yield ready[-1].suggest()

    def _observe(self, raw: Raw, epochs: int, accuracy: float) -> None:
        self._models[epochs].observe(raw, accuracy)


class Smac:
    """Random-forest Bayesian optimisation (Hutter et al. 2011) by the smac package.

    Its forest opens a pool of threads for every prediction, which takes longer than the prediction.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        from ConfigSpace import Categorical, ConfigurationSpace
        from smac import HyperparameterOptimizationFacade, Scenario

        seed = int(rng.integers(1 << 31))
        space = ConfigurationSpace(seed=seed)
        space.add([Categorical(name, [0, 1]) for name in EDGES])
        space.add([Categorical(name, [0, 1, 2]) for name in OPERATIONS])
        written = mkdtemp(prefix="depthgate-smac-")
        finalize(self, rmtree, written, ignore_errors=True)
        scenario = Scenario(
            space,
            deterministic=True,
            n_trials=1 << 20,
            seed=seed,
            output_directory=Path(written),
        )
        self._smac = HyperparameterOptimizationFacade(
            scenario,
            lambda config, seed=0: 0.0,
            initial_design=HyperparameterOptimizationFacade.get_initial_design(scenario, n_configs=20),
            logging_level=False,
            overwrite=True,
        )

    def ask(self) -> tuple[Raw, int]:
        from joblib import parallel_config

        with parallel_config("sequential"):
            self._trial = self._smac.ask()
        return raw_of(dict(self._trial.config)), FULL

    def tell(self, raw: Raw, epochs: int, accuracy: float) -> None:
        from smac.runhistory.dataclasses import TrialValue

        self._smac.tell(self._trial, TrialValue(cost=1 - accuracy), save=False)


class Predictor:
    """An ensemble of trees on the cell's features picks ten of many mutants, by Thompson sampling.

    After BANANAS (White et al. 2019, arXiv 1910.11858), with trees in place of networks.
    """

    START, BATCH, PARENTS, CHILDREN = 20, 10, 10, 20

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng, self._random, self._mutations = rng, random_cells(rng), Mutations(rng)
        self._row = raw_index().row
        self._seen: dict[int, tuple[float, Raw]] = {}
        self._waiting = [next(self._random) for _ in range(self.START)]

    def ask(self) -> tuple[Raw, int]:
        if not self._waiting:
            self._waiting = self._choose()
        return self._waiting.pop(), FULL

    def tell(self, raw: Raw, epochs: int, accuracy: float) -> None:
        self._seen[self._row(*raw)] = accuracy, raw

    def _choose(self) -> list[Raw]:
        from sklearn.ensemble import ExtraTreesRegressor

        space = enumerate_space()
        rows = np.array(list(self._seen))
        target = -np.log(1 - np.array([accuracy for accuracy, _ in self._seen.values()]))
        trees = ExtraTreesRegressor(100, max_features=0.5, random_state=int(self._rng.integers(1 << 31)))
        trees.fit(features(space, rows)[0], target)
        parents = sorted(self._seen.values(), reverse=True)[: self.PARENTS]
        born = [self._mutations.of(raw) for _, raw in parents for _ in range(self.CHILDREN)]
        fresh = {row: raw for raw in born if (row := self._row(*raw)) not in self._seen and row != ILLEGAL}
        candidates = features(space, np.array(list(fresh)))[0]
        votes = np.stack([tree.predict(candidates) for tree in trees.estimators_])
        drawn = self._rng.normal(votes.mean(0), votes.std(0))
        return [list(fresh.values())[i] for i in np.argsort(drawn)[-self.BATCH :]]
