"""Ctrl-C that ends a run between two frames, and never while a result is written."""

import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class CtrlC:
    """While entered, Ctrl-C raises KeyboardInterrupt once, and only where `heard` waits.

    One pressed at another moment is raised at the next wait; further ones do
    nothing. Python hands signals to the main thread, so elsewhere there is nothing to guard.
    """

    def __init__(self) -> None:
        self._waiting = self._pressed = False
        self._before: Any = None

    def heard(self, items: Iterable[T]) -> Iterator[T]:
        """The items; Ctrl-C is heard while the next one is made, not while the caller handles it."""
        source, end = iter(items), object()
        while (item := self._next(source, end)) is not end:
            yield item  # type: ignore[misc]

    def _next(self, source: Iterator[T], end: object) -> T | object:
        self._waiting = True
        try:
            if self._pressed:
                raise KeyboardInterrupt
            return next(source, end)
        finally:
            self._waiting = False

    def _press(self, number: int, frame: FrameType | None) -> None:
        self._pressed = True
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
