import pytest

from tracker import SourceError
from tracker.frames import open_source


def test_missing_and_empty_sources(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        open_source(tmp_path / "none.mp4")
    with pytest.raises(SourceError, match="holds no pictures"):
        open_source(tmp_path)
    with pytest.raises(SourceError, match="camera 97 cannot be opened"):
        open_source("97")
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source("http://127.0.0.1:9/none")
