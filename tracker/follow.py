"""One target through one source, with everything that is written and shown on the way."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tracker import advice
from tracker.arrays import Image
from tracker.boxes import Box
from tracker.draw import overlay
from tracker.errors import BoxError, FrameError, SourceError, TrackerError
from tracker.frames import Timed, open_source
from tracker.interrupt import Stop, Stopped
from tracker.options import TrackOptions
from tracker.outputs import check_results
from tracker.record import Record
from tracker.state import TRACKED
from tracker.tracker import Prediction, Tracker
from tracker.zoo import find

if TYPE_CHECKING:
    from tracker.ui.window import Window

Answer = tuple[float, Image, Prediction, str | None]  # seconds, pixels, what was seen, at which budget


def follow(options: TrackOptions) -> int:
    """Track the source to its end and print a summary; returns the signal that ended it before, else 0.

    Result files are opened, and what stood in them is lost, once the tracker
    has accepted the source's first frame and the box.

    Raises:
        TrackerError: anything wrong with what was given; files written so far are closed and whole.
    """
    console = Console(stderr=True)
    options.check()
    tracker = Tracker.load(options.model, threads=options.threads, budget=options.budget)
    limits = tracker.manifest.state.lost[-1], tracker.manifest.state.unsure[-1]
    with ExitStack() as stack:
        source = stack.enter_context(open_source(options.source, options.newest))
        check_results(options.results, source.files, [*source.folders, find(options.model)])
        window = _window(options, stack)
        frames = islice(source.timed(), options.start, options.end)
        (begins, first), box = _target(frames, options, window)
        box, warnings = advice.on_box(first, box)
        tracker.init(first, box)
        _print(
            console, *(f"depthgate: warning: {w}" for w in [*warnings, *advice.on_threads(options.threads)])
        )
        stop = stack.enter_context(Stop())
        with ExitStack() as files:
            record = Record(options, source, begins, tracker.depths, limits, files)
            _print(console, f"{_title(tracker, options)}  {source.name}", *record.notes)
            record.add(begins, first, _given(box), tracker.budget)
            answers = stop.heard(_tracked(tracker, frames, window, options.start + 1))
            with _progress(options.length(source.frames), console) as advance:
                end = _record_all(answers, record, advance)
        record.write_picture()
        _print(console, *record.summary(source.dropped))
    if isinstance(end, TrackerError):
        raise end
    return end.signal if end is not None else 0


def _target(frames: Iterator[Timed], options: TrackOptions, window: "Window | None") -> tuple[Timed, Box]:
    """Return the first frame, and the box that was given or is drawn on it."""
    first = next(frames, None)
    if first is None:
        raise SourceError(f"source: {options.source} has no frame {options.start}; --start counts from 0")
    box = options.box if options.box is not None or window is None else window.select_box(first[1])
    if box is None:
        raise BoxError("box: none was given or drawn; give --box x,y,w,h")
    return first, box


def _tracked(
    tracker: Tracker, frames: Iterator[Timed], window: "Window | None", first: int
) -> Iterator[Answer]:
    """Track every further frame, from number `first` on, until they end or the window's user quits."""
    for number, (time_s, frame) in enumerate(frames, first):
        budget, seen = tracker.budget, tracker.update(frame)
        if window is None:
            yield time_s, frame, seen, budget
            continue
        notes = (f"frame {number}", budget or "default")
        wishes = window.show(overlay(frame, seen, tracker.depths, window.panel, notes))
        if wishes.deeper:
            tracker.budget = stepped(tracker.budget, wishes.deeper, tracker.depths)
        if wishes.select and (again := window.select_box(frame)):
            tracker.init(frame, again)
            seen = _given(again)
        yield time_s, frame, seen, budget
        if wishes.quit:
            return


def _given(box: Box) -> Prediction:
    """Return a person's own answer: no stage ran."""
    return Prediction(box, 1.0, True, 0, 0.0, TRACKED)


def _record_all(
    answers: Iterator[Answer], record: Record, advance: Callable[[Prediction], None]
) -> TrackerError | Stopped | None:
    """Record every frame; return what ended the run before the source did."""
    try:
        for time_s, frame, seen, budget in answers:
            record.add(time_s, frame, seen, budget)
            advance(seen)
    except FrameError as error:
        return FrameError(f"{error}: --start {record.next} --box x,y,w,h")
    except (TrackerError, Stopped) as end:
        return end
    except KeyboardInterrupt:
        return Stopped(signal.SIGINT)
    return None


def _title(tracker: Tracker, options: TrackOptions) -> str:
    return f"{tracker.manifest.name}  {tracker.depths} stages  budget {options.budget or 'default'}"


def _print(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False, emoji=False)


def stepped(budget: str | None, steps: int, depths: int) -> str | None:
    """Return the budget some steps up or down the ladder depth:1 … depth:D−1, the default, full."""
    ladder = [*(f"depth:{k}" for k in range(1, depths)), None, "full"]
    at = ladder.index(budget) if budget in ladder else ladder.index(None)
    return ladder[min(max(at + steps, 0), len(ladder) - 1)]


def _window(options: TrackOptions, stack: ExitStack) -> "Window | None":
    """Return the window when it was asked for, or when there is a display and no box was given."""
    display = bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("SDL_VIDEODRIVER")
    )
    if not options.window and options.box is not None:
        return None
    if not display:
        if options.box is None:
            raise BoxError("box: none was given and there is no display to draw it on; give --box x,y,w,h")
        raise BoxError("window: there is no display; leave --window out and use --save out.mp4")
    from tracker.ui.window import Window

    window = Window(f"depthgate  {options.source}")
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
