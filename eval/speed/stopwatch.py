"""The one timer of parts, forms and stages: seconds of calls by name, after some that warm up.

Calls that are to be compared take turns, round by round, so that other work
on the machine and a drifting clock rate slow all of them alike.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Stopwatch:
    """Notes how long calls take.

    Args:
        warm_up: how many of the first calls of every name are left out.
    """

    def __init__(self, warm_up: int) -> None:
        self._warm_up = warm_up
        self._taken: dict[str, list[float]] = defaultdict(list)

    def __call__(self, name: str, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what `call` returns and note its seconds under `name`."""
        begun = time.perf_counter()
        result = call(*args, **kwargs)
        self._taken[name].append(time.perf_counter() - begun)
        return result

    def seconds(self) -> dict[str, list[float]]:
        """Return the seconds of every call by name, in order, without those that warmed up."""
        return {name: taken[self._warm_up :] for name, taken in self._taken.items()}
