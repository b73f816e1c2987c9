"""Signals that end a run between two frames, and never while a result is written."""

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """A run was told to end.

    Attributes:
        signal: its number, by which a shell sees exit code 128 + number.
    """

    def __init__(self, signal: int) -> None:
        super().__init__()
        self.signal = signal


class Stop:
    """While entered, each of ENDING raises Stopped, once, and only where `heard` waits.

    One that comes at another moment is raised at the next wait; further ones do
    nothing. What was ignored before (nohup) stays ignored. Python hands signals
    to the main thread, so elsewhere there is nothing to guard.
    """

    def __init__(self) -> None:
        self._waiting = False
        self._heard: int | None = None
        self._before: dict[int, Any] = {}

    def heard(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items; signals are heard while the next one is made, not while the caller handles it."""
        source, end = iter(items), object()
        while (item := self._next(source, end)) is not end:
            yield item  # type: ignore[misc]

    def _next(self, source: Iterator[T], end: object) -> T | object:
        self._waiting = True
        try:
            if self._heard is not None:
                raise Stopped(self._heard)
            return next(source, end)
        finally:
            self._waiting = False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._heard is None:
            self._heard = number
            _silence_what_hung_up()
        if self._waiting:
            self._waiting = False
            raise Stopped(self._heard)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _silence_what_hung_up() -> None:
    """Let what a terminal that is gone would be told go nowhere, so that the run can end as ever."""
    for output in (1, 2):
        try:
            os.write(output, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, output)
            os.close(nowhere)
