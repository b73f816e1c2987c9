"""What every source of frames is."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from tracker.arrays import Image

Timed = tuple[float, Image]
FALLBACK_FPS = 25.0


class Source:
    """Frames in order; a context manager.

    Attributes:
        name: what the user gave; fps: frames a second in the mean, 25 where the source does not say.
        frames: how many there are, None when not known.
        live: frames do not wait; those that come too fast are dropped, and `dropped` counts them.
        files: what the frames are read from; folders: whose pictures they are.
        pixel_aspect: width of a pixel over its height, as players show it; frames stay as they are stored.
        begins: what the container's clock shows at time 0.
        sound: codec of the sound that belongs to the frames, None where there is none.
    """

    name: str
    fps: float = FALLBACK_FPS
    frames: int | None = None
    live: bool = False
    dropped: int = 0
    files: Sequence[Path] = ()
    folders: Sequence[Path] = ()
    pixel_aspect: Fraction = Fraction(1)
    begins: float = 0.0
    sound: str | None = None

    def timed(self) -> Iterator[Timed]:
        """Yield every frame, H×W×3 uint8 BGR, with the second at which it is shown; the first is at 0."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Image]:
        return (frame for _, frame in self.timed())

    def close(self) -> None:
        """Release what is held; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
