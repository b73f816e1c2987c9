"""What a person asked of a run, checked as far as it can be before anything is loaded."""

from dataclasses import dataclass, field
from pathlib import Path

import cv2

from tracker.boxes import Box
from tracker.errors import SourceError
from tracker.frames import FALLBACK_FPS
from tracker.outputs import STDOUT, OutputError
from tracker.saved_video import VideoWriter


@dataclass(frozen=True)
class TrackOptions:
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

    @property
    def results(self) -> list[Path]:
        return [p for p in (self.video, self.picture, *self.rows.values()) if p is not None]

    def length(self, frames: int | None) -> int | None:
        """Return how many frames the run will see of a source of so many, None when not known."""
        end = frames if self.end is None else min(self.end, frames or self.end)
        return None if end is None else max(0, end - self.start)

    def check(self) -> None:
        """Refuse an empty range, and names of results that cannot be written.

        Raises:
            SourceError, OutputError.
        """
        if self.end is not None and self.end <= self.start:
            raise SourceError(
                f"frames: got --start {self.start} --end {self.end}, which leaves none; "
                "--end is the frame to stop before"
            )
        for path in self.results:
            if not path.parent.is_dir():
                raise OutputError(f"output: the folder of {path} does not exist; make it first")
            if path.is_dir():
                raise OutputError(f"output: {path} is a folder; name a file")
        if STDOUT in (self.video, self.picture):
            raise OutputError(f"output: {STDOUT} takes rows alone; name a file")
        if self.picture is not None and not cv2.haveImageWriter(str(self.picture)):
            raise OutputError(f"output: {self.picture} is not the name of a picture; name it .png")
        if self.video is not None:
            VideoWriter(self.video, FALLBACK_FPS).close()
