"""The shipped artefacts: a name to its folder."""

import difflib
import json
from pathlib import Path

from tracker.errors import ModelError

FOLDER = Path(__file__).parent


def find(name: str | Path) -> Path:
    """Find the folder of `default`, NAME, NAME.TAG, or of a path to an artefact folder.

    Raises:
        ModelError: nothing has that name; the nearest one is suggested.
    """
    index = json.loads((FOLDER / "index.json").read_text())
    names: dict[str, str] = {"default": index["default"], **index["names"]}
    folders = {**names, **{folder: folder for folder in names.values()}}
    if str(name) in folders:
        return FOLDER / folders[str(name)]
    if Path(name).is_dir():
        return Path(name)
    near = difflib.get_close_matches(str(name), folders, 1)
    hint = (
        f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(sorted(folders))}, or a folder"
    )
    raise ModelError(f"model: got {str(name)!r}, which is neither in the zoo nor a folder; {hint}")
