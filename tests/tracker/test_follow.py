"""A person at the window, played by a script."""

import json

import cv2
import numpy as np
import pytest

from tracker import follow
from tracker.options import TrackOptions
from tracker.ui.window import Wishes


class Person:
    """Draws a new box on the third frame that is shown."""

    panel = True
    shown = 0

    def show(self, frame) -> Wishes:
        self.shown += 1
        return Wishes(select=self.shown == 3, deeper=int(self.shown == 4))

    def select_box(self, frame):
        return (60.0, 40.0, 20.0, 20.0)


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "pics").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    for i in range(7):
        cv2.imwrite(str(tmp_path / "pics" / f"{i}.png"), noise)
    return tmp_path / "pics"


def test_a_box_that_is_drawn_again_is_marked(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(follow, "_window", lambda wanted, stack: Person())
    rows = {"json": tmp_path / "rows.jsonl", "csv": tmp_path / "rows.csv"}
    assert follow.follow(TrackOptions(str(pictures), box=(20, 20, 30, 30), rows=rows)) == 0
    lines = [json.loads(line) for line in rows["json"].read_text().splitlines()]
    assert [line["given"] for line in lines] == [True, False, False, True, False, False, False]
    assert lines[3]["box"] == [60.0, 40.0, 20.0, 20.0] and lines[3]["depth"] is None
    given = [line.split(",")[-1] for line in rows["csv"].read_text().splitlines()[1:]]
    assert given == ["1", "0", "0", "1", "0", "0", "0"]
