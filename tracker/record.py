"""What a run leaves: rows, an annotated video, a picture, and a summary."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import cv2
import numpy as np

from tracker.arrays import Image
from tracker.draw import overlay
from tracker.frames import Source
from tracker.history import History, Thinned
from tracker.options import TrackOptions
from tracker.outputs import STDOUT, RowWriter, write_whole
from tracker.run_picture import Shot, run_picture, shot
from tracker.saved_video import VideoWriter
from tracker.sound import Sound
from tracker.tracker import Prediction

SHOTS = 6
CANDIDATES = 48  # so that six of them lie evenly, wherever the run ends


class Record:
    """Opens the results of a run, whose first frame is shown at `begins`; the stack closes them.

    Args:
        depths: stages of the network.
        limits: scores of the deepest exit below which a target is LOST, and UNSURE.

    Attributes:
        notes: what the user should know of the results.
    """

    def __init__(
        self,
        options: TrackOptions,
        source: Source,
        begins: float,
        depths: int,
        limits: tuple[float, float],
        stack: ExitStack,
    ) -> None:
        self._options, self._source, self._begins = options, source, begins
        self._depths, self._limits = depths, limits
        self._writers = [RowWriter(path, kind) for kind, path in options.rows.items()]
        for writer in self._writers:
            stack.callback(writer.close)
        self.notes: list[str] = []
        self._video = self._open_video(options.video, stack) if options.video else None
        self._history = History()
        self._shots: Thinned[Shot] = Thinned(CANDIDATES)
        self._last: tuple[int, Image, Prediction] | None = None
        self.next = options.start

    def _open_video(self, path: Path, stack: ExitStack) -> VideoWriter:
        source, sound = self._source, None
        if source.sound is not None and source.files:
            sound = stack.enter_context(closing(Sound(source.files[0], source.begins + self._begins)))
        video = stack.enter_context(VideoWriter(path, source.fps, source.pixel_aspect, sound))
        if source.sound is not None and not video.with_sound:
            why = f"{path.suffix} does not hold {source.sound}" if sound else "it is copied from files alone"
            self.notes.append(f"{path} has no sound: {why}")
        return video

    def add(self, time_s: float, frame: Image, seen: Prediction, budget: str | None) -> None:
        """Take the next frame of the source, what was seen in it, and the budget that it was given."""
        number = self.next
        self.next += 1
        if seen.depth:
            self._history.add(number, seen)
        for writer in self._writers:
            writer.write(number, time_s, seen)
        if self._video is not None:
            notes = (f"frame {number}", budget or "default")
            self._video.write(overlay(frame, seen, self._depths, notes=notes), time_s - self._begins)
        if self._options.picture is not None:
            kept = self._shots.add(lambda: self._shot(number, frame, seen))
            self._last = None if kept else (number, frame, seen)

    def _shot(self, number: int, frame: Image, seen: Prediction) -> Shot:
        return number, shot(frame, seen, self._depths, float(self._source.pixel_aspect))

    def write_picture(self) -> None:
        if self._options.picture is None:
            return
        shots = self._shots.items + ([self._shot(*self._last)] if self._last else [])
        first = self._options.start + 1
        picture = run_picture(evenly(shots, SHOTS), self._history.moments, self._depths, first, self._limits)
        write_whole(self._options.picture, cv2.imencode(self._options.picture.suffix, picture)[1].tobytes())

    def summary(self, dropped: int) -> Iterator[str]:
        history, count = self._history, self.next - self._options.start
        median, p95 = history.percentiles_ms(50, 95)
        rate = f"{1e3 / median:.0f} fps" if median > 0 else "no fps"
        spent = f"(update: median {median:.1f} ms, p95 {p95:.1f} ms)"
        of = self._options.length(self._source.frames) or count
        yield f"{count}/{of} frames  {rate} {spent}  mean depth {history.mean_depth:.2f}  lost {history.lost}"
        shares = (
            f"{k}: {100 * history.depths[k] / max(1, history.frames):.0f} %"
            for k in range(1, self._depths + 1)
        )
        yield f"frames per depth  {'  '.join(shares)}"
        yield from history.lost_spans()
        if dropped:
            yield f"{dropped} frames came too fast and were dropped"
        yield from (f"saved {path}" for path in self._options.results if path != STDOUT)


def evenly(shots: Sequence[Shot], count: int) -> list[Shot]:
    """Return the first, the last, and those nearest to even distances between them."""
    numbers = np.array([number for number, _ in shots])
    ideal = np.linspace(numbers[0], numbers[-1], min(count, len(shots)))
    chosen = sorted({int(np.abs(numbers - at).argmin()) for at in ideal})
    return [shots[i] for i in chosen]
