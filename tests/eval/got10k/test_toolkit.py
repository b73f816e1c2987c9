"""OTB and GOT-10k through the got10k package, on a painted pack laid out as those data sets."""

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from eval.contenders.base import Ours
from eval.contenders.names import make_contender, origin
from eval.data.layouts import write_got10k, write_otb
from eval.data.sequences import read_pack, read_sequences
from eval.got10k import toolkit
from eval.got10k.toolkit import evaluate_got10k, evaluate_ope, evaluate_otb, normalised_precision
from eval.onepass.metrics import accuracy
from eval.vot.layout import write_vot
from tests.eval.conftest import Follower
from tracker import SourceError, Tracker


@pytest.fixture
def visible_pack(pack):
    """The painted pack as OTB's Crossing and David, the target visible in all frames."""
    entries = json.loads((pack / "index.json").read_text())
    for entry, name in zip(entries, ("Crossing", "David"), strict=True):
        entry |= {"dataset": "OTB", "name": name}
        (pack / entry["csv"][0]).write_text("".join(f"{30 + 2 * i},40,30,24\n" for i in range(12)))
    (pack / "index.json").write_text(json.dumps(entries))
    return pack


def test_otb_by_the_package_equals_our_metrics_by_hand(visible_pack, tmp_path):
    """David's 299 leading frames are cut off again by the package; OTB counts pixels from 1."""
    assert write_otb(read_pack(visible_pack), tmp_path / "OTB") == ["Crossing", "David"]
    assert len(list((tmp_path / "OTB/David/img").iterdir())) == 299 + 12
    document = evaluate_otb(tmp_path / "OTB", tmp_path / "out", {"near": Follower(3)}, "otb100")
    truth = np.array([[30 + 2 * i, 40, 30, 24] for i in range(12)], float)
    ours = truth + np.array([3.0, 0, 0, 0]) * (np.arange(12) > 0)[:, None]
    expected = accuracy(ours, truth, np.ones(12, bool))
    row = document["rows"]["near"]
    assert row["success"] == pytest.approx(expected.auc, abs=1e-9)
    assert row["precision"] == pytest.approx(expected.p20, abs=1e-9)
    assert row["normalised_precision"] == pytest.approx(normalised_precision(ours, truth), abs=1e-6)


def test_normalised_precision_by_hand():
    """A tenth of the width aside: within the last 41 of 51 thresholds."""
    truth = np.tile([0.0, 0, 100, 50], (4, 1))
    assert normalised_precision(truth + [10.0, 0, 0, 0], truth) == pytest.approx(41 / 51)
    assert normalised_precision(truth, truth) == 1


def test_got10k_by_the_package_and_its_own_overlap(pack, tmp_path):
    """Frames where the target is absent, and the first, do not count."""
    sequences = [s for s in read_pack(pack)]
    for s in sequences:
        s.boxes[0] = (30, 40, 30, 24)
    write_got10k(sequences, tmp_path / "GOT")
    document = evaluate_got10k(tmp_path / "GOT", tmp_path / "out", {"far": Follower(10)})
    assert document["rows"]["far"]["ao"] == pytest.approx(0.5, abs=1e-6)
    assert document["rows"]["far"]["sr50"] == 0
    again = read_sequences(tmp_path / "GOT")
    assert np.isnan(again[0].boxes[6]).all() and again[0].boxes[1].tolist() == [32, 40, 30, 24]


def test_got10k_test_is_written_as_the_servers_zip(pack, tmp_path, monkeypatch):
    import time
    import zipfile

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    sequences = read_pack(pack)
    for s in sequences:
        s.boxes[0] = (30, 40, 30, 24)
    names = write_got10k(sequences, tmp_path / "GOT")
    (tmp_path / "GOT/val").rename(tmp_path / "GOT/test")
    for name in names:
        truth = tmp_path / "GOT/test" / name / "groundtruth.txt"
        truth.write_text(truth.read_text().splitlines()[0] + "\n")
    document = evaluate_got10k(tmp_path / "GOT", tmp_path / "out", {"ours": Follower()}, "test")
    inside = zipfile.ZipFile(document["rows"]["ours"]["zip"]).namelist()
    assert {f"{names[0]}/{names[0]}_001.txt", f"{names[0]}/{names[0]}_time.txt"} <= set(inside)


def test_an_interrupted_run_goes_on_and_a_cut_result_is_set_aside(visible_pack, tmp_path):
    write_otb(read_pack(visible_pack), tmp_path / "OTB")
    follower = Follower()
    evaluate_otb(tmp_path / "OTB", tmp_path / "out", {"ours": follower}, "otb100")
    evaluate_otb(tmp_path / "OTB", tmp_path / "out", {"ours": follower}, "otb100")
    assert follower.started == 2, "finished sequences are kept"
    result = next((tmp_path / "out").rglob("ours/Crossing.txt"))
    result.write_text("\n".join(result.read_text().splitlines()[:5]) + "\n")
    with pytest.raises(SourceError, match=r"Crossing.txt is damaged \(it has 5 rows for 12 frames\)"):
        evaluate_otb(tmp_path / "OTB", tmp_path / "out", {"ours": follower}, "otb100")
    evaluate_otb(tmp_path / "OTB", tmp_path / "out", {"ours": follower}, "otb100")
    assert follower.started == 3


@pytest.mark.parametrize("what", ["a missing frame", "a cut annotation"])
def test_a_sequence_that_does_not_fit_is_named(visible_pack, tmp_path, what):
    write_otb(read_pack(visible_pack), tmp_path / "OTB")
    if what == "a missing frame":
        (tmp_path / "OTB/Crossing/img/0004.jpg").unlink()
    else:
        truth = tmp_path / "OTB/Crossing/groundtruth_rect.txt"
        truth.write_text("\n".join(truth.read_text().splitlines()[:9]) + "\n")
    with pytest.raises(SourceError, match="Crossing: pictures and annotation do not fit"):
        evaluate_otb(tmp_path / "OTB", tmp_path / "out", {"ours": Follower()}, "otb100")


def test_results_of_another_model_are_not_kept(visible_pack, tmp_path, monkeypatch):
    """Nor those from another annotation; what was not touched is kept."""
    write_otb(read_pack(visible_pack), tmp_path / "OTB")
    follower, maker = Follower(3), ["a"]
    monkeypatch.setattr(toolkit, "origin", lambda contender: maker[0])

    def success() -> float:
        document = evaluate_otb(tmp_path / "OTB", tmp_path / "out", {"ours": follower}, "otb100")
        return document["rows"]["ours"]["success"]

    first = success()
    maker[0], follower.error = "b", 10
    assert success() < first and follower.started == 4
    truth = tmp_path / "OTB/Crossing/groundtruth_rect.txt"
    truth.write_text(truth.read_text().replace("31.0000", "32.0000", 1))
    success()
    assert follower.started == 5


def test_what_a_contenders_boxes_depend_on():
    ours, other = (Ours(Tracker.load(), budget) for budget in (None, "full"))
    assert origin(ours) == origin(other) != origin(make_contender("kcf", ours.tracker))
    assert cv2.__version__ in origin(make_contender("kcf", ours.tracker))


def test_a_document_names_the_model(visible_pack, tmp_path):
    write_otb(read_pack(visible_pack), tmp_path / "OTB")
    contenders = {"depth:1": Ours(Tracker.load(), "depth:1"), "near": Follower(3)}
    document = evaluate_otb(tmp_path / "OTB", tmp_path / "out", contenders, "otb100")
    assert document["model"] == "depthgate-s.pack" and document["model_digest"] == origin(
        contenders["depth:1"]
    )


def lay_out(kind: str, root: Path) -> Path:
    """One sequence of the painted square, in the data set's own files; returns the folder of its pictures."""
    count = 109 if kind == "uav123" else 8  # the package knows the lengths of UAV123
    box = [(10 + 2 * i, 40, 30, 24) for i in range(count)]
    rows = [f"{x},{y},{w},{h}\n" for x, y, w, h in box]
    if kind == "uav123":
        images, name, truth = root / "data_seq/UAV123/uav6", "{:06d}.jpg", root / "anno/UAV123/uav6.txt"
    elif kind == "nfs":
        images, name, truth = root / "ball/240/ball", "{:05d}.jpg", root / "ball/240/ball.txt"
        rows = [f"0 {x} {y} {x + w} {y + h} 0 0 0 0 object\n" for x, y, w, h in box]
    elif kind == "dtb70":
        images, name, truth = root / "Gull1/img", "{:05d}.jpg", root / "Gull1/groundtruth_rect.txt"
    else:
        place = root / "airplane/airplane-1"
        images, name, truth = place / "img", "{:08d}.jpg", place / "groundtruth.txt"
    for folder in (images, truth.parent):
        folder.mkdir(parents=True, exist_ok=True)
    truth.write_text("".join(rows))
    for i in range(count):
        cv2.imwrite(str(images / name.format(i + 1)), np.zeros((120, 160, 3), np.uint8))
    return images


@pytest.mark.parametrize("kind", ["uav123", "nfs", "dtb70", "lasot"])
def test_other_data_sets_are_read_from_their_own_layouts(kind, tmp_path):
    lay_out(kind, tmp_path / "data")
    document = evaluate_ope(kind, tmp_path / "data", tmp_path / "out", {"exact": Follower()})
    row = document["rows"]["exact"]
    assert row["success"] == pytest.approx(20 / 21) and row["precision"] == 1
    assert (tmp_path / "out" / f"{kind}.json").is_file()


def test_frames_of_lasot_without_the_target_do_not_count(tmp_path):
    place = lay_out("lasot", tmp_path / "data").parent
    (place / "groundtruth.txt").write_text("10,40,30,24\n" * 4 + "90,40,30,24\n" * 4)
    contenders = {"near": Follower()}
    with_all = evaluate_ope("lasot", tmp_path / "data", tmp_path / "a", contenders)["rows"]["near"]
    (place / "full_occlusion.txt").write_text(",".join("00001110"))
    (place / "out_of_view.txt").write_text(",".join("00000001"))
    without = evaluate_ope("lasot", tmp_path / "data", tmp_path / "b", contenders)["rows"]["near"]
    assert without["success"] > with_all["success"]
    (place / "out_of_view.txt").write_text("0,0,1")
    with pytest.raises(SourceError, match="airplane-1: pictures and annotation do not fit"):
        evaluate_ope("lasot", tmp_path / "data", tmp_path / "c", contenders)


def test_a_picture_that_is_missing_or_damaged_is_named(tmp_path):
    images = lay_out("dtb70", tmp_path / "data")
    (images / "00005.jpg").write_bytes((images / "00005.jpg").read_bytes()[:200])
    with pytest.raises(SourceError, match="Gull1: .*is a picture damaged"):
        evaluate_ope("dtb70", tmp_path / "data", tmp_path / "out", {"x": Follower()})
    (lay_out("uav123", tmp_path / "uav") / "000007.jpg").unlink()
    with pytest.raises(SourceError, match="uav6: .*000007.jpg is missing"):
        evaluate_ope("uav123", tmp_path / "uav", tmp_path / "out", {"x": Follower()})


@pytest.mark.parametrize("subset", ["val", "test"])
def test_a_root_without_got10k_is_named(tmp_path, subset):
    with pytest.raises(SourceError, match="is no folder"):
        evaluate_got10k(tmp_path / "none", tmp_path / "out", {"x": Follower()}, subset)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="cannot be read as GOT10k"):
        evaluate_got10k(tmp_path / "empty", tmp_path / "out", {"x": Follower()}, subset)


def test_an_out_that_is_a_file_is_named(visible_pack, tmp_path):
    write_otb(read_pack(visible_pack), tmp_path / "OTB")
    (tmp_path / "out").write_text("")
    with pytest.raises(SourceError, match="cannot be a folder"):
        evaluate_otb(tmp_path / "OTB", tmp_path / "out", {"x": Follower()}, "otb100")


def test_a_root_without_otb_is_named(pack, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "y").mkdir()
    with pytest.raises(SourceError, match="none of the sequences"):
        evaluate_otb(tmp_path / "x", tmp_path / "out", {"ours": Follower()}, "otb100")
    with pytest.raises(SourceError, match="none of the sequences belongs to OTB"):
        write_otb(read_pack(pack), tmp_path / "OTB")


def test_the_vot_layout_keeps_boxes_and_pixels(pack, tmp_path):
    annotated = write_vot(read_pack(pack)[:1], tmp_path / "sequences")
    assert annotated[0].truth[0] is None and annotated[0].truth[1].tolist() == [32, 40, 30, 24]
    assert annotated[0].size == (160, 120)
    assert annotated[0].anchors[0] == 0, "no anchor where the target is absent"
    rows = (tmp_path / "sequences/one/groundtruth.txt").read_text().splitlines()
    assert rows[0] == "nan,nan,nan,nan" and rows[1].startswith("32.0000,40.0000")
    picture = cv2.imread(str(tmp_path / "sequences/one/color/00000002.jpg"))
    assert np.abs(picture[50, 45].astype(int) - (30, 200, 240)).max() < 25


def test_two_sequences_of_one_name_have_folders_of_their_own(pack, tmp_path):
    one = read_pack(pack)[0]
    same = [replace(one, name=f"{where}/walk") for where in ("TLD", "VOT")]
    annotated = write_vot([*same, one], tmp_path)
    assert [a.name for a in annotated] == ["TLD_walk", "VOT_walk", "one"]
    assert all((tmp_path / a.name / "color/00000012.jpg").is_file() for a in annotated)


@pytest.mark.parametrize("harm", ["missing", "cut", "last cut", "another video", "one too many"])
def test_frames_that_are_not_as_they_were_left_are_written_anew(pack, tmp_path, harm):
    sequence = read_pack(pack)[0]
    write_vot([sequence], tmp_path)
    frames = tmp_path / "one/color"
    whole = {f.name: f.read_bytes() for f in frames.iterdir()}
    written = (frames / "00000001.jpg").stat().st_mtime_ns
    write_vot([sequence], tmp_path)
    assert (frames / "00000001.jpg").stat().st_mtime_ns == written, "kept"
    if harm == "missing":
        (frames / "00000005.jpg").unlink()
    elif harm == "another video":
        os.utime(sequence.video, (1, 1))
    elif harm == "one too many":
        (frames / "00000013.jpg").write_bytes(b"")
    else:
        (frames / ("00000012.jpg" if harm == "last cut" else "00000003.jpg")).write_bytes(b"\xff\xd8")
    assert write_vot([sequence], tmp_path)[0].size == (160, 120)
    assert {f.name: f.read_bytes() for f in frames.iterdir()} == whole
    assert (frames / "00000001.jpg").stat().st_mtime_ns > written


def test_a_picture_that_the_toolkit_sends_and_nobody_can_read_is_named(tmp_path):
    from eval.vot.trax_server import _read

    (tmp_path / "7.jpg").write_bytes(b"")
    with pytest.raises(SourceError, match="7.jpg cannot be decoded"):
        _read(str(tmp_path / "7.jpg"))


def test_polygons_of_another_number_are_named(pack, tmp_path):
    entries = json.loads((pack / "index.json").read_text())
    entries[0]["vot_groundtruth"] = "pack/one.txt"
    (pack / "index.json").write_text(json.dumps(entries))
    (pack / "one.txt").write_text("1,2,3,4\n" * 5)
    with pytest.raises(SourceError, match="5 rows for 12 boxes"):
        write_vot(read_pack(pack)[:1], tmp_path / "sequences")


def test_folders_with_names_are_read(pack, tmp_path):
    folder = tmp_path / "mine" / "ball"
    folder.mkdir(parents=True)
    (pack / "one.mp4").rename(folder / "ball.mp4")
    (folder / "groundtruth.txt").write_text((pack / "one.csv").read_text())
    sequence = read_sequences(tmp_path / "mine")[0]
    assert (sequence.name, len(sequence.boxes)) == ("ball", 12)
    with pytest.raises(SourceError, match="neither index.json"):
        read_sequences(tmp_path / "nothing")


def test_the_tracker_speaks_the_packages_language():
    from PIL import Image

    from eval.got10k.toolkit import InPackageForm

    class Seen(Follower):
        def init(self, frame, box):
            self.frame = frame
            super().init(frame, box)

    contender = Seen()
    tracker = InPackageForm("x", contender, origin=1.0)
    picture = Image.new("RGB", (8, 6), (250, 20, 10))
    tracker.init(picture, np.array([3.0, 3, 4, 2]))
    assert tuple(contender.frame[0, 0]) == (10, 20, 250), "BGR"
    assert contender.box == (2, 2, 4, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tracker.update(picture) == (5, 3, 4, 2)
