import json

import cv2
import numpy as np
import pytest

from eval.data.sequences import read_frames, read_pack
from training.data.compose.__main__ import main
from training.data.compose.library import open_library
from training.data.compose.pack import default_pack, write_pack
from training.data.compose.sequence import ComposedSequence


@pytest.fixture
def cached(packs, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(packs / "cache-home"))
    return packs


def written(packs, out, *more):
    words = ["--root", str(packs), "--out", str(out), "--sequences", "2", "--frames", "20", "--seed", "4"]
    return main([*words, *more])


def test_the_pack_reads_back_as_what_was_composed(cached, tmp_path, capsys):
    assert written(cached, tmp_path / "out", "--picture", str(tmp_path / "sheet.png")) == 0
    assert "2 sequences of 20 frames" in capsys.readouterr().out
    library = open_library(cached, "val")
    sequences = read_pack(tmp_path / "out")
    for index, sequence in enumerate(sequences):
        drawn = ComposedSequence(library, 4, index, 20)
        assert sequence.boxes == pytest.approx(drawn.boxes, abs=0.005, nan_ok=True)
        visible = np.loadtxt(tmp_path / "out" / sequence.entry["visible"][0])
        assert visible == pytest.approx(drawn.visible, abs=0.001)
        frames = list(read_frames(sequence.video))
        assert len(frames) == sequence.entry["frames"] == 20
        assert frames[0].shape == (sequence.entry["height"], sequence.entry["width"], 3)
        assert np.abs(frames[9].astype(int) - drawn.frame(9)).mean() < 12, "the same picture, compressed"
        assert sequence.source_video == f"Composed/{drawn.source[0]}"
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 180, 8 * 240, 3)
    assert (np.abs(sheet.astype(int) - (0, 255, 0)).sum(2) < 120).any(), "boxes are drawn"


def test_the_same_seed_writes_the_same_pack(cached, tmp_path):
    """Of the videos the pictures, not the bytes: x264's assembly may choose otherwise from run to run."""
    for name in ("one", "two"):
        assert written(cached, tmp_path / name) == 0
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 1 + 2 * 3
    for file in files:
        one, two = tmp_path / "one" / file, tmp_path / "two" / file
        if file.suffix == ".mp4":
            pairs = zip(read_frames(one), read_frames(two), strict=True)
            assert max(np.abs(a.astype(int) - b).mean() for a, b in pairs) < 1.5
        else:
            assert one.read_bytes() == two.read_bytes(), file


def test_a_pack_that_was_cut_off_has_no_index(library, tmp_path, monkeypatch):
    good, bad = (ComposedSequence(library, 1, index, 3) for index in range(2))
    write_pack([good], tmp_path)
    monkeypatch.setattr(ComposedSequence, "frame", lambda self, t: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_pack([bad], tmp_path)
    assert not (tmp_path / "index.json").is_file()


def test_pictures_that_are_not_there_are_a_wrong_use(tmp_path, capsys):
    assert main(["--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "images.jsonl.gz is missing" in capsys.readouterr().err


def test_an_index_names_the_seed(library, tmp_path):
    write_pack([ComposedSequence(library, 8, 3, 3)], tmp_path)
    entry = json.loads((tmp_path / "index.json").read_text())[0]
    assert (entry["seed"], entry["index"], entry["library"]) == (8, 3, library.digest)


def test_packs_live_in_the_users_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_pack() == tmp_path / "depthgate/composed"
