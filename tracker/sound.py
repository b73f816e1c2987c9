"""The sound of a video file, copied beside its frames as it is coded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Sound:
    """Packets of a file's sound, timed from the first frame that is used.

    Args:
        path: a file with sound.
        begins: what the file's clock shows at that frame.
    """

    def __init__(self, path: Path, begins: float) -> None:
        from tracker.sources.container import open_container

        self._container = open_container(path)
        self.stream: Any = self._container.streams.best("audio")
        self.codec: str = self.stream.codec_context.name
        self._packets = self._timed(begins)
        self._next: tuple[float, Any] | None = next(self._packets, None)

    def until(self, time_s: float) -> Iterator[Any]:
        """Return the packets that begin before `time_s`, each once."""
        while self._next is not None and self._next[0] < time_s:
            yield self._next[1]
            self._next = next(self._packets, None)

    def _timed(self, begins: float) -> Iterator[tuple[float, Any]]:
        import av

        base = self.stream.time_base
        try:
            for packet in self._container.demux(self.stream):
                if packet.pts is None or (at := float(packet.pts * base) - begins) < 0:
                    continue
                packet.pts -= round(begins / base)
                packet.dts = packet.pts
                yield at, packet
        except (av.FFmpegError, OSError):
            return  # a damaged file ends its sound; its frames say so themselves

    def close(self) -> None:
        self._container.close()
