"""The door to every source of frames: a video file, a folder of pictures, a camera, a stream.

Every source gives H×W×3 uint8 BGR; `to_bgr8` makes that of other pictures.
"""

import re
from pathlib import Path

from tracker.errors import SourceError
from tracker.sources.camera import Camera
from tracker.sources.pictures import PICTURES, PictureFolder, by_pattern, picture_file, to_bgr8
from tracker.sources.source import FALLBACK_FPS, Source, Timed
from tracker.sources.stream import SILENCE_S, Stream

__all__ = ["FALLBACK_FPS", "PictureFolder", "Source", "Timed", "open_source", "to_bgr8"]


def open_source(source: str | int | Path, newest: bool | None = None) -> Source:
    """Open a camera index, a URL (rtsp://, http://), a video, or pictures: a folder, a pattern, a moving one.

    Args:
        newest: True drops frames that come too fast, False drops none; by default cameras and
            streams without an end drop, files and URLs of files do not.

    Raises:
        SourceError: missing, empty, unreadable, or no such camera or stream.
    """
    from tracker.sources.video import Video

    text, path = str(source), Path(source if isinstance(source, Path) else str(source))
    camera = re.fullmatch(r"(?:/dev/video)?(\d+)", text)
    if path.is_dir():
        return PictureFolder(path)
    if camera and not path.is_file():
        return Stream(f"camera {camera[1]}", lambda: Camera(int(camera[1])), newest)
    if "://" in text:
        return Stream(text, lambda: Video(text, SILENCE_S), newest)
    if not path.exists():
        return _by_name(text)
    if not path.is_file() or newest:
        return Stream(text, lambda: Video(path), newest, patient=True)
    return picture_file(path) if path.suffix.lower() in PICTURES else Video(path)


def _by_name(text: str) -> Source:
    if (pictures := by_pattern(text)) is None:
        raise SourceError(
            f"source: {text} does not exist; expected a video, a folder of pictures, 0 or a URL"
        )
    return pictures
