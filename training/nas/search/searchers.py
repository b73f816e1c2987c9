"""Search algorithms on one interface: `ask` for a cell and the epochs to train it, `tell` what it reached.

A cell is a Raw: an adjacency of seven vertices (21 bits) and five operations
(a base-3 code), before pruning; models.nas.raw_index turns it into a row.
An illegal Raw costs nothing and reaches 0, as in automl/nas_benchmarks.
Source of settings where none is named: Ying et al. 2019, arXiv 1902.09635,
section 5, and the scripts of automl/nas_benchmarks.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from models.cell_spec import MAX_VERTICES, OPS, CellSpec
from models.nas.raw_index import ILLEGAL, INTERIOR, OPS_CODES, raw_index

PAIRS = MAX_VERTICES * (MAX_VERTICES - 1) // 2
FULL = 108
DRAWN_AT_ONCE = 4096


class Raw(NamedTuple):
    """adj: edge i→j is bit i + j(j−1)/2; ops: base-3 number, vertex 1 most significant."""

    adj: int
    ops: int

    def cell(self) -> CellSpec:
        """Return the cell as drawn, not pruned."""
        return CellSpec.from_code(MAX_VERTICES, self.adj, self.ops)


class Searcher(Protocol):
    """A search strategy: it proposes cells and is told what they reached."""

    def ask(self) -> tuple[Raw, int]:
        """Return the next cell and its epochs (4, 12, 36 or 108)."""
        ...

    def tell(self, raw: Raw, epochs: int, accuracy: float) -> None:
        """Take in what the cell reached, 0 … 1; called once for every ask, in order."""
        ...


def random_cells(rng: np.random.Generator) -> Iterator[Raw]:
    """Legal cells without end: every edge with probability ½, operations uniform, others redrawn."""
    index = raw_index()
    while True:
        adj = rng.integers(0, 1 << PAIRS, DRAWN_AT_ONCE)
        ops = rng.integers(0, OPS_CODES, DRAWN_AT_ONCE)
        legal = index.rows(adj, ops) != ILLEGAL
        for a, o in zip(adj[legal].tolist(), ops[legal].tolist(), strict=True):
            yield Raw(a, o)


class Mutations:
    """Every edge flips with probability 1/7, every operation changes with 1/5; illegal ones are redrawn.

    Source: the notebook of google-research/nasbench.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._steps = self._draw()
        self._row = raw_index().row

    def of(self, parent: Raw) -> Raw:
        for flips, shift in self._steps:
            child = Raw(parent.adj ^ flips, SHIFTED[parent.ops][shift])
            if self._row(*child) != ILLEGAL:
                return child
        raise AssertionError("the steps have no end")

    def _draw(self) -> Iterator[tuple[int, int]]:
        rng = self._rng
        while True:
            flips = (rng.random((DRAWN_AT_ONCE, PAIRS)) < 1 / MAX_VERTICES) @ (1 << np.arange(PAIRS))
            changed = rng.random((DRAWN_AT_ONCE, INTERIOR)) < 1 / INTERIOR
            shift = np.where(changed, rng.integers(1, len(OPS), changed.shape), 0)
            yield from zip(flips.tolist(), (shift @ POWERS).tolist(), strict=True)


POWERS = 3 ** np.arange(INTERIOR - 1, -1, -1)
_DIGITS = np.arange(OPS_CODES)[:, None] // POWERS % 3
SHIFTED: list[list[int]] = ((_DIGITS[:, None] + _DIGITS[None]) % 3 @ POWERS).tolist()


class RandomSearch:
    """Every cell afresh, always at full length."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._cells = random_cells(rng)

    def ask(self) -> tuple[Raw, int]:
        return next(self._cells), FULL

    def tell(self, raw: Raw, epochs: int, accuracy: float) -> None:
        pass


class RegularisedEvolution:
    """The fittest of a random sample has a mutated child; the oldest dies.

    Source: Real et al. 2018, arXiv 1802.01548; settings of the notebook of google-research/nasbench.
    """

    def __init__(self, rng: np.random.Generator, population: int = 50, sample: int = 10) -> None:
        self._rng, self._sample = rng, sample
        self._cells, self._mutations = random_cells(rng), Mutations(rng)
        self._alive: deque[tuple[float, Raw]] = deque(maxlen=population)
        self._drawn: Iterator[list[int]] = iter(())

    def ask(self) -> tuple[Raw, int]:
        if len(self._alive) < (self._alive.maxlen or 0):
            return next(self._cells), FULL
        return self._mutations.of(max(self._alive[i] for i in self._tournament())[1]), FULL

    def tell(self, raw: Raw, epochs: int, accuracy: float) -> None:
        self._alive.append((accuracy, raw))

    def _tournament(self) -> list[int]:
        for places in self._drawn:
            return places
        self._drawn = iter(self._rng.integers(0, len(self._alive), (DRAWN_AT_ONCE, self._sample)).tolist())
        return next(self._drawn)


class LocalSearch:
    """All cells one edge or operation away; on to the best while that is better, then from a new random cell.

    Source: White et al. 2020, arXiv 2005.02960.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng, self._cells, self._row = rng, random_cells(rng), raw_index().row
        self._waiting: list[Raw] = []
        self._centre: tuple[float, Raw] | None = None
        self._best: tuple[float, Raw] | None = None

    def ask(self) -> tuple[Raw, int]:
        best, centre = self._best, self._centre
        if not self._waiting and best is not None and (centre is None or best[0] > centre[0]):
            self._centre, self._best = best, None
            self._waiting = self._around(best[1])
        if not self._waiting:
            self._centre = self._best = None
            self._waiting = [next(self._cells)]
        return self._waiting.pop(), FULL

    def tell(self, raw: Raw, epochs: int, accuracy: float) -> None:
        if self._best is None or accuracy > self._best[0]:
            self._best = accuracy, raw

    def _around(self, raw: Raw) -> list[Raw]:
        own = self._row(*raw)
        near = [Raw(raw.adj ^ 1 << bit, raw.ops) for bit in range(PAIRS)]
        near += [Raw(raw.adj, SHIFTED[raw.ops][k * int(power)]) for power in POWERS for k in (1, 2)]
        rows = {self._row(*cell): cell for cell in near}
        legal = [cell for row, cell in rows.items() if row not in (ILLEGAL, own)]
        return [legal[i] for i in self._rng.permutation(len(legal))]


class Reinforce:
    """Independent categoricals, one an edge and one an operation, moved along the reward's gradient.

    Source: run_reinforce of automl/nas_benchmarks (Williams 1992), rate and baseline as there.
    """

    def __init__(self, rng: np.random.Generator, rate: float = 0.1, momentum: float = 0.9) -> None:
        self._rng, self._rate, self._momentum = rng, rate, momentum
        self._edges, self._ops = np.zeros(PAIRS), np.zeros((INTERIOR, len(OPS)))
        self._baseline: float | None = None
        self._uniform: Iterator[np.ndarray] = iter(())

    def ask(self) -> tuple[Raw, int]:
        drawn = self._draw()
        self._p = 1 / (1 + np.exp(-self._edges))
        e = np.exp(self._ops)
        self._q = e / e.sum(1, keepdims=True)
        self._on = drawn[:PAIRS] < self._p
        self._chosen = (drawn[PAIRS:, None] > self._q.cumsum(1)[:, :-1]).sum(1)
        return Raw(int(self._on @ BITS), int(self._chosen @ POWERS)), FULL

    def tell(self, raw: Raw, epochs: int, accuracy: float) -> None:
        if self._baseline is None:
            self._baseline = accuracy
        self._baseline += (1 - self._momentum) * (accuracy - self._baseline)
        step = self._rate * (accuracy - self._baseline)
        self._edges += step * (self._on - self._p)
        self._ops += step * (EYE[self._chosen] - self._q)

    def _draw(self) -> np.ndarray:
        for numbers in self._uniform:
            return numbers
        self._uniform = iter(self._rng.random((DRAWN_AT_ONCE, PAIRS + INTERIOR)))
        return next(self._uniform)


BITS, EYE = 1 << np.arange(PAIRS), np.eye(len(OPS))


class Hyperband:
    """Successive halving over brackets that trade the number of cells for their epochs.

    Li et al. 2016, arXiv 1603.06560; budgets 4, 12, 36, 108 and η = 3. `cells`
    gives new cells, so that a model may replace chance (BOHB), and `learn`
    hears every result.
    """

    ETA, BUDGETS = 3, (4, 12, 36, 108)

    def __init__(
        self,
        cells: Iterator[Raw],
        learn: Callable[[Raw, int, float], None] | None = None,
    ) -> None:
        self._cells, self._learn = cells, learn
        self._bracket = self._rung = 0
        self._waiting: list[Raw | None] = []
        self._done: list[tuple[float, Raw]] = []

    def ask(self) -> tuple[Raw, int]:
        if not self._waiting:
            self._next_rung()
        raw = self._waiting.pop()
        return (next(self._cells) if raw is None else raw), self.BUDGETS[self._rung]

    def tell(self, raw: Raw, epochs: int, accuracy: float) -> None:
        self._done.append((accuracy, raw))
        if self._learn is not None:
            self._learn(raw, epochs, accuracy)

    def _next_rung(self) -> None:
        survivors = len(self._done) // self.ETA
        if self._done and self._rung + 1 < len(self.BUDGETS) and survivors:
            best = sorted(self._done, reverse=True)[:survivors]
            self._waiting = [raw for _, raw in reversed(best)]
            self._rung += 1
        else:
            top = len(self.BUDGETS) - 1
            halvings = top - self._bracket % len(self.BUDGETS)
            self._bracket += 1
            count = -(-(top + 1) * self.ETA**halvings // (halvings + 1))
            self._waiting = [None] * count
            self._rung = top - halvings
        self._done = []
