import json

import cv2
import numpy as np
import pytest

import app
from tests.training.data.compose.conftest import write_packs
from tests.training.data.test_store import entry, write_clip
from tracker import SourceError
from training.data.pairs import Sample
from training.show_batch import draw_batch

RECIPE = "training/recipes/smoke.yaml"


class Grey:
    """Sample i: crops of grey level 100 + i, every other one absent."""

    def sample(self, index):
        search, template = (np.full((side, side, 3), 100 + index, np.uint8) for side in (256, 128))
        return Sample({256: search}, {128: template}, (60, 80, 160, 200), index % 2 == 0)

    def describe(self, index):
        return "grey"


def test_each_tile_shows_template_search_and_box(tmp_path):
    assert draw_batch(Grey(), tmp_path / "sheet.png") == 24
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (6 * (256 + 18), 4 * (128 + 256), 3)
    for index in range(24):
        tile = sheet[index // 4 * 274 :, index % 4 * 384 :][:274, :384]
        assert tile[18 + 100, 60].tolist() == tile[18 + 100, 128 + 100].tolist() == [100 + index] * 3
        green = (tile == (60, 220, 60)).all(2)
        rows, columns = np.flatnonzero(green[:, 128:].any(1)), np.flatnonzero(green[:, 128:].any(0))
        if index % 2 == 0:
            assert (columns[0], rows[0], columns[-1], rows[-1]) == (60, 98, 160, 218)
        else:
            assert not green.any() and tile[18, 128].tolist() == [60, 60, 230]


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(SourceError, match="--show-batch: cannot write"):
        draw_batch(Grey(), tmp_path / "none" / "sheet.png")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_packs(tmp_path)
    weak = tmp_path / "video/weak"
    write_clip(weak, "clear", 120)
    write_clip(weak, "vague", 60)
    tracks = {"clear": (2.0, 0.5), "vague": (1.0, 0.5)}
    entries = [
        entry(name, tracks=[{"csv": f"{name}.csv", "contrast": c, "motion": m}])
        for name, (c, m) in tracks.items()
    ]
    (weak / "index.json").write_text(json.dumps(entries))
    return tmp_path


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_the_verb_draws_what_a_recipe_would_train_on(root, share, capsys):
    picture = root / "sheet.png"
    words = ["train", RECIPE, f"data.root={root}", f"data.composed={share}", "--show-batch", str(picture)]
    assert app.main(words) == 0
    assert "24 samples of the phase" in capsys.readouterr().out
    assert cv2.imread(str(picture)).std() > 5


def test_a_classifiers_recipe_is_a_wrong_use(tmp_path, capsys):
    words = ["train", "training/recipes/imagenet_legw.yaml", "--show-batch", str(tmp_path / "sheet.png")]
    assert app.main(words) == 2
    assert "expected one that trains a tracker" in capsys.readouterr().err
