"""Where things lie that can be made again: the user's cache folder."""

import os
from pathlib import Path


def user_cache() -> Path:
    """Return $XDG_CACHE_HOME/depthgate, else ~/.cache/depthgate; it need not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "depthgate"
