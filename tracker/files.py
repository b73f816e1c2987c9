"""Write result files whole or not at all.

A file is written beside its place, synced to the disk, and renamed over what
was there: a kill or a full disk at any moment leaves the earlier file.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the name to write to; when the block ends, the file there takes the place of `path`.

    The name has the suffix of `path`, since some libraries choose the format by
    it. An error within the block removes the new file and keeps the earlier
    one. A device or a pipe cannot be replaced and is written to as it is.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        yield path
        return
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        yield part
        _sync(part)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync(path.parent)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write to; when the block ends, it takes the place of `folder`.

    An error within the block removes the new folder and keeps the earlier one.
    Files of the earlier folder that the new one lacks move over: they are the
    user's. A kill between the two renames is mended by the next call.
    """
    folder = folder.resolve()
    part, earlier = (folder.with_name(f".{folder.name}.{word}") for word in ("part", "earlier"))
    if earlier.is_dir():
        _retire(earlier, folder)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        for file in part.iterdir():
            _sync(file)
        _sync(part)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    if folder.is_dir():
        os.replace(folder, earlier)
    os.replace(part, folder)
    if earlier.is_dir():
        _retire(earlier, folder)
    _sync(folder.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Write the bytes to `path`, whole or not at all."""
    with replacing(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write the text to `path` in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write the document to `path`, indented by one space a level, whole or not at all."""
    write_text(path, json.dumps(document, indent=1) + "\n")


def _retire(earlier: Path, folder: Path) -> None:
    """Move what `folder` lacks out of `earlier` and remove the rest; without `folder`, put `earlier` back."""
    if not folder.is_dir():
        os.replace(earlier, folder)
        return
    for file in earlier.iterdir():
        if not (folder / file.name).exists():
            os.replace(file, folder / file.name)
    shutil.rmtree(earlier)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk; Windows cannot sync folders."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
