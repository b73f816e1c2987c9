"""A source that may stall, read by a thread of its own, so that whoever waits can be interrupted."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from tracker.errors import SourceError
from tracker.sources.source import Source, Timed

SILENCE_S = 10.0  # until a peer that has not answered yet is given up
LOST_S = 60.0  # until one that did is
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0
AHEAD = 8  # frames read before they are asked for


class Stream(Source):
    """Every frame in order of a source that ends; of a live one, always the newest.

    The thread opens, reads and closes the source; nobody else touches it. A
    live source that fails is opened again, after pauses that double, until it
    has given nothing for LOST_S; times are then those of the frames' arrival.

    Args:
        open_source: opens what is read; may block.
        newest: whether frames that come too fast are dropped; by default those of a live source.
        patient: wait for ever, as for the other end of a pipe.

    Raises:
        SourceError: it cannot be opened, or nothing came for SILENCE_S; by iteration, for LOST_S.
    """

    def __init__(
        self, name: str, open_source: Callable[[], Source], newest: bool | None = None, patient: bool = False
    ) -> None:
        self.name, self._open, self._newest, self._patient = name, open_source, newest, patient
        self._ready = threading.Condition()
        self._waiting: deque[Timed] = deque()
        self._opened = self._over = self._closed = False
        self._fault: Exception | None = None
        self._start: float | None = None
        threading.Thread(target=self._run, name=f"reader of {name}", daemon=True).start()
        with self._ready:
            self._wait_for(lambda: self._opened or self._over, SILENCE_S)
        if self._fault is not None and not self._opened:
            raise self._fault

    def timed(self) -> Iterator[Timed]:
        patience = SILENCE_S
        while True:
            with self._ready:
                self._wait_for(lambda: bool(self._waiting) or self._over, patience)
                if not self._waiting:
                    break
                item = self._waiting.popleft()
                self._ready.notify_all()
            patience = LOST_S if self.live else SILENCE_S
            yield item
        if self._fault is not None:
            raise self._fault

    def _wait_for(self, met: Callable[[], bool], patience: float) -> None:
        if not self._ready.wait_for(met, None if self._patient else patience):
            self._closed = True
            raise SourceError(f"source: {self.name} gave no frame for {patience:.0f} s; is it still there?")

    def close(self) -> None:
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while self._fault is None and not self._closed:
            began = time.monotonic()
            try:
                self._read()
                break
            except Exception as error:  # is raised where the frames are wanted
                again = self._opened and self.live and isinstance(error, SourceError)
                self._fault = None if again else error
            pause = FIRST_PAUSE_S if time.monotonic() - began > SILENCE_S else min(2 * pause, LONGEST_PAUSE_S)
            with self._ready:
                self._ready.wait_for(lambda: self._closed or self._fault is not None, pause)
        with self._ready:
            self._over = True
            self._ready.notify_all()

    def _read(self) -> None:
        """Open the source and hand its frames on to its end."""
        with self._open() as source:
            self._describe(source)
            for time_s, frame in source.timed():
                self.pixel_aspect = source.pixel_aspect
                if not self._put((self._arrival() if self.live else time_s, frame)):
                    return

    def _describe(self, source: Source) -> None:
        with self._ready:
            self.fps, self.frames, self.sound, self.files = (
                source.fps,
                source.frames,
                source.sound,
                source.files,
            )
            self.live = source.live if self._newest is None else self._newest
            self._opened = True
            self._ready.notify_all()

    def _arrival(self) -> float:
        now = time.monotonic()
        self._start = now if self._start is None else self._start
        return now - self._start

    def _put(self, item: Timed) -> bool:
        """Hand a frame on, when there is room or in place of the one before; False once nobody wants it."""
        with self._ready:
            if self.live:
                self.dropped += len(self._waiting)
                self._waiting.clear()
            else:
                self._ready.wait_for(lambda: len(self._waiting) < AHEAD or self._closed)
            self._waiting.append(item)
            self._ready.notify_all()
            return not self._closed
