"""One target through one source, with everything that is written and shown on the way."""

import math
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tracker import advice
from tracker.boxes import Box
from tracker.draw import overlay, run_picture
from tracker.errors import BoxError, FrameError, SourceError, TrackerError
from tracker.frames import FALLBACK_FPS, Frame, Source, Timed, open_source
from tracker.interrupt import Stop, Stopped
from tracker.outputs import OutputError, RowWriter, check_results
from tracker.saved_video import VideoWriter
from tracker.sound import Sound
from tracker.state import LOST, TRACKED
from tracker.tracker import Prediction, Tracker
from tracker.zoo import find

if TYPE_CHECKING:
    from tracker.ui.window import Window

SHOTS = 6


@dataclass(frozen=True)
class Wanted:
    """A run: where frames come from, what to follow, and what to leave behind.

    Frames `start` … `end` − 1 of the source are used; the box is in frame `start`.
    `newest` says whether frames that come too fast are dropped, None leaves that to the source.
    """

    source: str
    box: Box | None = None
    start: int = 0
    end: int | None = None
    newest: bool | None = None
    model: str = "default"
    budget: str | None = None
    threads: int = 1
    video: Path | None = None
    picture: Path | None = None
    rows: dict[str, Path] = field(default_factory=dict)
    window: bool = False


def follow(wanted: Wanted) -> int:
    """Track the source to its end and print a summary; returns the signal that ended it before, else 0.

    Result files are opened, and what stood in them is lost, once the tracker
    has accepted the source's first frame and the box.

    Raises:
        TrackerError: anything wrong with what was given; files written so far are closed and whole.
    """
    console = Console(stderr=True)
    _check_wanted(wanted)
    tracker = Tracker.load(wanted.model, threads=wanted.threads, budget=wanted.budget)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(wanted.source, wanted.newest))
        check_results(_results(wanted), source.files, [*source.folders, find(wanted.model)])
        window = _window(wanted, stack)
        frames = islice(source.timed(), wanted.start, wanted.end)
        (begins, first), box = _target(frames, wanted, window)
        box, warnings = advice.on_box(first, box)
        tracker.init(first, box)
        _print(
            console, *(f"depthgate: warning: {w}" for w in [*warnings, *advice.on_threads(wanted.threads)])
        )
        stop = stack.enter_context(Stop())
        with ExitStack() as files:
            record = _Record(wanted, source, begins, tracker.depths, files)
            _print(console, f"{_title(tracker, wanted)}  {source.name}", *record.notes)
            record.add(begins, first, Prediction(box, 1.0, True, 0, 0.0, TRACKED))
            with _progress(_length(wanted, source), console) as advance:
                end = _record_all(stop.heard(_tracked(tracker, frames, window)), record, advance)
        record.write_picture()
        _print(console, *record.summary(source))
    if isinstance(end, TrackerError):
        raise end
    return end.signal if end is not None else 0


def _target(frames: Iterator[Timed], wanted: Wanted, window: "Window | None") -> tuple[Timed, Box]:
    """The first frame, and the box that was given or is drawn on it."""
    first = next(frames, None)
    if first is None:
        raise SourceError(f"source: {wanted.source} has no frame {wanted.start}; --start counts from 0")
    box = wanted.box if wanted.box is not None or window is None else window.select_box(first[1])
    if box is None:
        raise BoxError("box: none was given or drawn; give --box x,y,w,h")
    return first, box


def _tracked(
    tracker: Tracker, frames: Iterator[Timed], window: "Window | None"
) -> Iterator[tuple[float, Frame, Prediction]]:
    """Every further frame with its prediction, until they end or the window's user quits."""
    for time_s, frame in frames:
        seen = tracker.update(frame)
        yield time_s, frame, seen
        if window is None:
            continue
        wishes = window.show(overlay(frame, seen, tracker.depths, window.panel))
        if wishes.deeper:
            tracker.budget = stepped(tracker.budget, wishes.deeper, tracker.depths)
        if wishes.quit:
            return
        if wishes.select and (again := window.select_box(frame)):
            tracker.init(frame, again)


def _record_all(
    tracked: Iterator[tuple[float, Frame, Prediction]],
    record: "_Record",
    advance: Callable[[Prediction], None],
) -> TrackerError | Stopped | None:
    """Record every frame; returns what ended it before the source did."""
    try:
        for time_s, frame, seen in tracked:
            record.add(time_s, frame, seen)
            advance(seen)
    except FrameError as error:
        return FrameError(f"{error}: --start {record.next} --box x,y,w,h")
    except (TrackerError, Stopped) as end:
        return end
    except KeyboardInterrupt:
        return Stopped(signal.SIGINT)
    return None


def _title(tracker: Tracker, wanted: Wanted) -> str:
    return f"{tracker.manifest.name}  {tracker.depths} stages  budget {wanted.budget or 'default'}"


def _print(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False, emoji=False)


def stepped(budget: str | None, steps: int, depths: int) -> str | None:
    """The budget some steps up or down the ladder depth:1 … depth:D−1, the default, full."""
    ladder = [*(f"depth:{k}" for k in range(1, depths)), None, "full"]
    at = ladder.index(budget) if budget in ladder else ladder.index(None)
    return ladder[min(max(at + steps, 0), len(ladder) - 1)]


class _Record:
    """What a run leaves: rows, files, a few annotated frames, counts."""

    def __init__(self, wanted: Wanted, source: Source, begins: float, depths: int, stack: ExitStack) -> None:
        self._wanted, self._begins, self._depths = wanted, begins, depths
        self.notes: list[str] = []
        self._writers = [RowWriter(path, kind) for kind, path in wanted.rows.items()]
        for writer in self._writers:
            stack.callback(writer.close)
        self._video = self._open_video(wanted.video, source, stack) if wanted.video else None
        self._first = wanted.start
        self._every = max(1, math.ceil((_length(wanted, source) or 0) / SHOTS))
        self._shots: list[tuple[int, Frame]] = []
        self.rows: list[Prediction] = []

    def _open_video(self, path: Path, source: Source, stack: ExitStack) -> VideoWriter:
        sound = None
        if source.sound is not None and source.files:
            sound = stack.enter_context(closing(Sound(source.files[0], source.begins + self._begins)))
        video = stack.enter_context(VideoWriter(path, source.fps, source.pixel_aspect, sound))
        if source.sound is not None and not video.with_sound:
            why = f"{path.suffix} does not hold {source.sound}" if sound else "it is copied from files alone"
            self.notes.append(f"{path} has no sound: {why}")
        return video

    @property
    def next(self) -> int:
        """Number in the source of the frame that comes next."""
        return self._first + len(self.rows)

    def add(self, time_s: float, frame: Frame, seen: Prediction) -> None:
        index, number = len(self.rows), self.next
        self.rows.append(seen)
        for writer in self._writers:
            writer.write(number, time_s, seen)
        shot = self._wanted.picture is not None and index % self._every == 0
        if self._video is None and not shot:
            return
        drawn = overlay(frame, seen, self._depths)
        if self._video is not None:
            self._video.write(drawn, time_s - self._begins)
        if shot:
            self._shots.append((number, drawn))
            if len(self._shots) > 2 * SHOTS:
                self._shots, self._every = self._shots[::2], self._every * 2

    def write_picture(self) -> None:
        if self._wanted.picture is None:
            return
        spread = np.linspace(0, len(self._shots) - 1, min(SHOTS, len(self._shots))).round().astype(int)
        picture = run_picture([self._shots[i] for i in spread], self.rows[1:], self._depths, self._first + 1)
        if not cv2.imwrite(str(self._wanted.picture), picture):
            raise OutputError(f"output: {self._wanted.picture} cannot be written; name it .png")

    def summary(self, source: Source) -> Iterator[str]:
        rows = self.rows[1:]
        ms = np.array([row.seconds for row in rows]) * 1e3 if rows else np.zeros(1)
        lost = sum(row.state == LOST for row in rows)
        total = _length(self._wanted, source) or len(self.rows)
        median, p95 = np.percentile(ms, (50, 95))
        rate = f"{1e3 / median:.0f} fps" if median > 0 else "no fps"
        depth = np.mean([row.depth for row in rows]) if rows else 0
        spent = f"(update: median {median:.1f} ms, p95 {p95:.1f} ms)"
        yield f"{len(self.rows)}/{total} frames  {rate} {spent}  mean depth {depth:.2f}  lost {lost}"
        stops = Counter(row.depth for row in rows)
        shares = "  ".join(
            f"{k}: {100 * stops[k] / max(1, len(rows)):.0f} %" for k in range(1, self._depths + 1)
        )
        yield f"frames per depth  {shares}"
        for first, last in _lost_spans(self.rows):
            yield f"lost in frames {self._first + first} to {self._first + last}"
        if source.dropped:
            yield f"{source.dropped} frames came too fast and were dropped"
        for path in _results(self._wanted):
            yield f"saved {path}"


def _lost_spans(rows: list[Prediction]) -> list[tuple[int, int]]:
    """First and last frame of every run of LOST rows."""
    spans: list[tuple[int, int]] = []
    for i, row in enumerate(rows):
        if row.state != LOST:
            continue
        if spans and spans[-1][1] == i - 1:
            spans[-1] = (spans[-1][0], i)
        else:
            spans.append((i, i))
    return spans


def _length(wanted: Wanted, source: Source) -> int | None:
    """Frames that the run will see, None when not known."""
    end = source.frames if wanted.end is None else min(wanted.end, source.frames or wanted.end)
    return None if end is None else max(0, end - wanted.start)


def _results(wanted: Wanted) -> list[Path]:
    return [p for p in (wanted.video, wanted.picture, *wanted.rows.values()) if p is not None]


def _check_wanted(wanted: Wanted) -> None:
    """Refuse, before anything is loaded, an empty range and names of results that cannot be written."""
    if wanted.end is not None and wanted.end <= wanted.start:
        raise SourceError(
            f"frames: got --start {wanted.start} --end {wanted.end}, which leaves none; "
            "--end is the frame to stop before"
        )
    for path in _results(wanted):
        if not path.parent.is_dir():
            raise OutputError(f"output: the folder of {path} does not exist; make it first")
        if path.is_dir():
            raise OutputError(f"output: {path} is a folder; name a file")
    if wanted.picture is not None and not cv2.haveImageWriter(str(wanted.picture)):
        raise OutputError(f"output: {wanted.picture} is not the name of a picture; name it .png")
    if wanted.video is not None:
        VideoWriter(wanted.video, FALLBACK_FPS).close()


def _window(wanted: Wanted, stack: ExitStack) -> "Window | None":
    """The window when it was asked for, or when there is a display and no box was given."""
    display = bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("SDL_VIDEODRIVER")
    )
    if not wanted.window and wanted.box is not None:
        return None
    if not display:
        if wanted.box is None:
            raise BoxError("box: none was given and there is no display to draw it on; give --box x,y,w,h")
        raise BoxError("window: there is no display; leave --window out and use --save out.mp4")
    from tracker.ui.window import Window

    window = Window(f"depthgate  {wanted.source}")
    stack.callback(window.close)
    return window


@contextmanager
def _progress(total: int | None, console: Console) -> Iterator[Callable[[Prediction], None]]:
    columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}")]
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("tracking", total=total and total - 1)

        def advance(seen: Prediction) -> None:
            text = f"depth {seen.depth}  score {seen.score:.2f}  {seen.seconds * 1e3:.1f} ms  {seen.state:<7}"
            bar.update(task, advance=1, description=text)

        yield advance
