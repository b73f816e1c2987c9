"""A pack of painted videos, and a contender that is off by as much as a test says."""

import json

import av
import numpy as np
import pytest

from eval.contenders.base import Answer


@pytest.fixture
def pack(tmp_path):
    """Two videos of twelve frames with a bright square that moves; the second shows the same as the first."""
    folder = tmp_path / "pack"
    folder.mkdir()
    entries = []
    for name, twin in (("one", None), ("two", "Painted/one")):
        rows = []
        with av.open(str(folder / f"{name}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
            for i in range(12):
                picture = np.full((120, 160, 3), 40, np.uint8)
                x, y = 30 + 2 * i, 40
                picture[y : y + 24, x : x + 30] = (30, 200, 240)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
                rows.append("nan,nan,nan,nan" if i in (0, 6) else f"{x},{y},30,24")
            container.mux(stream.encode())
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
        entries.append(
            {
                "dataset": "Painted",
                "name": name,
                "path": f"{name}.mp4",
                "csv": [f"{name}.csv"],
                "same_frames_as": twin,
                "source_video": name,
            }
        )
    (folder / "index.json").write_text(json.dumps(entries))
    return folder


class Follower:
    """Answers the painted square's true box, moved by `error` pixels to the right."""

    def __init__(self, error: float = 0.0) -> None:
        self.error, self.started = error, 0

    def init(self, frame, box) -> None:
        self.started += 1
        self.box, self.at = box, 0

    def update(self, frame) -> Answer:
        self.at += 1
        x, y, w, h = self.box
        return Answer((x + 2 * self.at + self.error, y, w, h), depth=1 + self.at % 2, score=0.5)
