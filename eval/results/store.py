"""Results are kept as long as what they were computed from is the same; and where they are written."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracker import files
from tracker.errors import SourceError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def digest(*parts: Any) -> str:
    """16 hex digits of anything that JSON can write; arrays by their lists."""
    text = json.dumps(parts, sort_keys=True, default=lambda value: value.tolist())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stamp(files: Iterable[Path]) -> str:
    """Of names, sizes and times of change: another file, or a repaired one, has another stamp."""
    seen = [(file.name, file.stat()) for file in files]
    return digest([(name, about.st_size, about.st_mtime_ns) for name, about in seen])


def video_stamp(video: Path) -> str:
    """Return the stamp of a video file, or of all the pictures of a folder.

    Raises:
        SourceError: it is not there.
    """
    try:
        return stamp(sorted(video.iterdir()) if video.is_dir() else [video])
    except OSError as error:
        raise SourceError(f"cannot open the video {video} ({error.strerror}); is the file there?") from error


def forget_unless(key: str, key_file: Path, made: Iterable[Path]) -> None:
    """Remove the files that were made under another key than `key`, and note the key for those to come."""
    if key_file.is_file() and key_file.read_text() == key:
        return
    for path in made:
        path.unlink(missing_ok=True)
    key_file.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(key_file, key)


def folder_for(path: Path) -> Path:
    """`path` as a folder, made when it is not there.

    Raises:
        SourceError: it cannot be one.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"out: {path} cannot be a folder ({error.strerror}); give another place") from error
    return path


def file_for(path: Path) -> Path:
    """`path` as a file that may be written; its folder is made when it is not there.

    Raises:
        SourceError: it is a folder, or its folder cannot be made.
    """
    folder_for(path.parent)
    if path.is_dir():
        raise SourceError(f"out: {path} is a folder, expected the name of a file")
    return path


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write the document as readable JSON, whole or not at all; raises as `file_for`."""
    files.write_json(file_for(path), document)


def save_figure(figure: "Figure", path: Path, dpi: int = 110) -> None:
    """Write the figure as the picture that the suffix of `path` says; raises as `file_for`."""
    with files.replacing(file_for(path)) as part:
        figure.savefig(part, dpi=dpi)
