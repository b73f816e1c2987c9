"""What `app.py track` leaves, and what it never touches."""

import json
import shutil
from fractions import Fraction

import av
import cv2
import pytest

from tests.command_line import BOX, new_process, run
from tests.tracker.sources.clips import write_timed, write_video
from tests.tracker.sources.servers import file, served
from tracker.frames import open_source
from tracker.outputs import CSV_HEADER
from tracker.zoo import find


def test_track_leaves_a_video_rows_and_a_picture(folder, tmp_path, capsys):
    out = {kind: tmp_path / f"out.{kind}" for kind in ("mp4", "png", "csv", "jsonl", "mot")}
    flags = ["--save", out["mp4"], "--picture", out["png"], "--csv", out["csv"], "--json", out["jsonl"]]
    assert run("track", folder, *BOX, *flags, "--mot", out["mot"]) == 0
    rows = out["csv"].read_text().splitlines()
    assert rows[0] == CSV_HEADER and len(rows) == 9
    assert rows[1] == "0,50.000,40.000,30.000,30.000,1.0000,1,,,0.0000,1"
    assert len(out["jsonl"].read_text().splitlines()) == len(out["mot"].read_text().splitlines()) == 8
    capture = cv2.VideoCapture(str(out["mp4"]))
    assert sum(capture.read()[0] for _ in range(8)) == 8
    assert cv2.imread(str(out["png"])).shape[1] == 1280
    said = capsys.readouterr().err
    for part in ("8/8 frames", "fps", "mean depth", "frames per depth", "lost 0", f"saved {out['mp4']}"):
        assert part in said


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["{frames}", "--box", "500,500,10,10"], id="box"),
        pytest.param(["{broken}", *BOX], id="first picture"),
        pytest.param(["{text}", *BOX], id="source"),
        pytest.param(["{frames}", *BOX, "--start", "50"], id="start"),
        pytest.param(["{frames}", *BOX, "--budget", "warp"], id="budget"),
        pytest.param(["{frames}", *BOX, "--picture", "x.foo"], id="another result's name"),
    ],
)
def test_older_results_outlive_a_wrong_start(folder, tmp_path, arguments):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "0.png").write_bytes(b"broken")
    (tmp_path / "text.xyz").write_text("not a video")
    places = {"broken": tmp_path / "broken", "text": tmp_path / "text.xyz", "frames": folder}
    results = {flag: tmp_path / f"old.{flag}" for flag in ("csv", "json", "mp4")}
    for path in results.values():
        path.write_text("of an earlier run")
    flags = ["--csv", results["csv"], "--json", results["json"], "--save", results["mp4"]]
    assert run("track", *(a.format(**places) for a in arguments), *flags) == 2
    assert [path.read_text() for path in results.values()] == ["of an earlier run"] * 3


def test_rows_go_to_the_standard_output_alone(folder):
    done = new_process("import app; app.entry()", "track", folder, *BOX, "--csv", "-")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == CSV_HEADER and len(done.stdout.splitlines()) == 9
    assert "saved -" not in done.stderr


def test_a_reader_that_hangs_up_is_one_line(folder):
    code = "import os, app; r, w = os.pipe(); os.dup2(w, 1); os.close(r); os.close(w); app.entry()"
    done = new_process(code, "track", folder, *BOX, "--csv", "-")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "depthgate: error: output: - cannot be written (Broken pipe)"


def test_libraries_put_no_banner_among_the_rows(folder, monkeypatch):
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.delenv("PYGAME_HIDE_SUPPORT_PROMPT", raising=False)
    done = new_process("import app; app.entry()", "track", folder, *BOX, "--window", "--csv", "-")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 9 and "pygame" not in done.stdout + done.stderr


def test_two_results_cannot_both_go_there(folder, capsys):
    assert run("track", folder, *BOX, "--csv", "-", "--json", "-") == 2
    assert run("track", folder, *BOX, "--save", "-") == 2
    assert run("track", folder, *BOX, "--picture", "-") == 2
    assert capsys.readouterr().err.count("depthgate: error: output:") == 3


def test_the_source_is_never_overwritten(folder, tmp_path, capsys):
    video = tmp_path / "a.mp4"
    assert run("track", folder, *BOX, "--save", video) == 0
    before = video.read_bytes()
    assert run("track", video, *BOX, "--save", video) == 2
    assert "is the source itself" in capsys.readouterr().err
    assert video.read_bytes() == before


def test_pictures_and_the_artefact_are_never_overwritten(folder, tmp_path, capsys):
    artefact = shutil.copytree(find("default"), tmp_path / "copy.test")
    for flags in (
        ["--picture", folder / "3.png"],
        ["--csv", artefact / "manifest.json", "--model", artefact],
    ):
        before = flags[1].read_bytes()
        assert run("track", folder, *BOX, *flags) == 2
        assert "choose another" in capsys.readouterr().err
        assert flags[1].read_bytes() == before


def test_time_is_the_sources_in_rows_and_in_the_saved_video(tmp_path):
    shown = [0.0, 0.04, 0.5, 0.52, 1.9, 2.0]
    clip, out, rows = write_timed(tmp_path / "uneven.mkv", shown), tmp_path / "out.mp4", tmp_path / "rows"
    box = ["--box", "10,10,20,20"]
    for kind in ("--csv", "--json"):
        assert run("track", clip, *box, "--start", 1, kind, rows, "--save", out) == 0
        lines = rows.read_text().splitlines()
        times = [json.loads(line)["time_s"] for line in lines] if kind == "--json" else lines[1:]
        times = [float(line.split(",")[-2]) if isinstance(line, str) else line for line in times]
        assert times == pytest.approx(shown[1:], abs=1e-3)
        saved = [time_s + 0.04 for time_s, _ in open_source(out).timed()]
        assert saved == pytest.approx(shown[1:], abs=1e-3)


def test_a_pixels_aspect_is_kept_in_the_saved_video(tmp_path):
    clip = write_timed(tmp_path / "wide.mp4", [0.0, 0.04, 0.08], aspect=Fraction(2))
    assert run("track", clip, "--box", "10,10,20,20", "--save", tmp_path / "out.mp4") == 0
    source = open_source(tmp_path / "out.mp4")
    assert len(list(source)) == 3 and source.pixel_aspect == 2


@pytest.mark.parametrize("start", [0, 5])
def test_sound_is_copied_beside_the_frames(tmp_path, capsys, start):
    clip = write_video(tmp_path / "loud.mp4", sound_s=2.5)  # 12 frames in 1.2 s
    flags = ["--start", start, "--save", tmp_path / "out.mp4"]
    assert run("track", clip, "--box", "10,10,20,20", *flags) == 0
    with av.open(str(tmp_path / "out.mp4")) as container:
        heard = [frame.time for frame in container.decode(audio=0)]
    assert heard[0] < 0.07 and heard[-1] == pytest.approx(1.2 - start / 10, abs=0.07)
    assert "no sound" not in capsys.readouterr().err


def test_sound_that_is_not_copied_is_said(tmp_path, capsys):
    data = write_video(tmp_path / "loud.mkv", sound_s=1.0).read_bytes()
    with served(file(data)) as url:
        assert run("track", url, "--box", "10,10,20,20", "--save", tmp_path / "out.mp4") == 0
    assert f"{tmp_path / 'out.mp4'} has no sound: it is copied from files alone" in capsys.readouterr().err


def test_budget_start_and_end(folder, tmp_path):
    flags = ["--budget", "depth:3", "--start", "2", "--end", "6", "--json", tmp_path / "rows"]
    assert run("track", folder, "--box", "52,40,30,30", *flags) == 0
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    assert [row["frame"] for row in rows] == [2, 3, 4, 5]
    assert [row["depth"] for row in rows] == [None, 3, 3, 3]


def test_names_are_printed_as_they_are(folder, tmp_path, capsys):
    place = folder.rename(tmp_path / "[red]a :smile: [b]")
    out = tmp_path / "[bold]rows.csv"
    assert run("track", place, *BOX, "--csv", out) == 0
    said = capsys.readouterr().err
    assert f"saved {out}" in said and str(place) in said
