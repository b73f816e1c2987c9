"""The command line as a person meets it: files, messages, exit codes."""

import importlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import app
from tests.fakes import file_size_limit
from tests.tracker.sources.clips import write_timed, write_video
from tests.tracker.sources.servers import file, served
from tracker.frames import open_source
from tracker.outputs import CSV_HEADER
from tracker.zoo import find


@pytest.fixture
def folder(tmp_path):
    """Eight pictures of a bright square that moves to the right."""
    path = tmp_path / "frames"
    path.mkdir()
    noise = np.random.default_rng(0).integers(0, 60, (120, 160, 3), dtype=np.uint8)
    for i in range(8):
        picture = noise.copy()
        picture[40:70, 50 + i : 80 + i] = (40, 220, 240)
        cv2.imwrite(str(path / f"{i}.png"), picture)
    return path


ROOT = Path(__file__).parents[1]
BOX = ["--box", "50,40,30,30"]


def run(*arguments: object) -> int:
    """The exit code, however it comes."""
    try:
        return app.main([str(a) for a in arguments])
    except SystemExit as end:
        return int(end.code or 0)


def new_process(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The code in a Python of its own, at the project's root; Ctrl-C is heard even where ours ignores it."""
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command = [sys.executable, "-c", heard + code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


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


def test_budget_start_and_end(folder, tmp_path):
    flags = ["--budget", "depth:3", "--start", "2", "--end", "6", "--json", tmp_path / "rows"]
    assert run("track", folder, "--box", "52,40,30,30", *flags) == 0
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    assert [row["frame"] for row in rows] == [2, 3, 4, 5]
    assert [row["depth"] for row in rows] == [None, 3, 3, 3]


WRONG = [
    pytest.param(["none.mp4", *BOX], "does not exist", id="missing source"),
    pytest.param(["{empty}", *BOX], "holds no pictures", id="empty folder"),
    pytest.param(["{text}", *BOX], "cannot be opened", id="not a video"),
    pytest.param(["{frames}", "--box", "500,500,10,10"], "outside the 160x120 frame", id="box outside"),
    pytest.param(["{frames}", "--box", "-50,40,30,30"], "outside the 160x120 frame", id="box left of it"),
    pytest.param(["{frames}", "--box", "5,5,0,10"], "no area", id="box without area"),
    pytest.param(["{frames}", "--box", "nan,5,10,10"], "finite", id="nan"),
    pytest.param(["{frames}", "--box", "1,2,3"], "expected four numbers", id="three numbers"),
    pytest.param(["{frames}"], "no display", id="no box and no display"),
    pytest.param(["{frames}", *BOX, "--window"], "no display", id="window and no display"),
    pytest.param(["{frames}", *BOX, "--model", "depthgate-m"], "did you mean 'depthgate-s'", id="model"),
    pytest.param(["{frames}", *BOX, "--model", "fast.mp4"], "expected one of default", id="nothing near"),
    pytest.param(["{frames}", *BOX, "--budget", "warp"], "expected one of full, depth:K", id="budget"),
    pytest.param(["{frames}", *BOX, "--budget", "5ms"], "not yet", id="budget of a later version"),
    pytest.param(["{frames}", *BOX, "--csv", "none/x.csv"], "folder of none/x.csv", id="no such folder"),
    pytest.param(["{frames}", *BOX, "--save", "{text}"], "name it .mp4", id="not a video's name"),
    pytest.param(["{frames}", *BOX, "--save", "x.gif"], "name it .mp4", id="no video of ours"),
    pytest.param(["{frames}", *BOX, "--picture", "x.foo"], "name it .png", id="not a picture's name"),
    pytest.param(["{frames}", *BOX, "--start", "50"], "no frame 50", id="start after the end"),
    pytest.param(["{frames}", *BOX, "--start", "4", "--end", "4"], "leaves none", id="empty range"),
    pytest.param(["{frames}", *BOX, "--start", "-1"], "whole number", id="negative start"),
    pytest.param(["{frames}", *BOX, "--threads", "0"], "whole number from 1", id="no threads"),
    pytest.param(["{frames}", *BOX, "--speed", "9"], "--help", id="unknown flag"),
    pytest.param(["97", *BOX], "camera 97 cannot be opened", id="no such camera"),
]


@pytest.mark.parametrize("arguments, reason", WRONG)
def test_bad_input_is_one_clear_line_and_exit_2(folder, tmp_path, monkeypatch, capsys, arguments, reason):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.xyz").write_text("not a video")
    places = {"empty": tmp_path / "empty", "text": tmp_path / "text.xyz", "frames": folder}
    assert run("track", *(a.format(**places) for a in arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("depthgate: error:") and reason in line


@pytest.mark.parametrize(
    "source, reason",
    [
        pytest.param("text.mp4", "cannot be opened as a video", id="not a video"),
        pytest.param("97", "camera 97", id="no such camera"),
        pytest.param("http://127.0.0.1:9/none", "is it connected", id="no such stream"),
    ],
)
def test_a_bad_source_says_nothing_but_the_one_line(tmp_path, source, reason):
    (tmp_path / "text.mp4").write_text("not a video")
    given = tmp_path / source if source.endswith(".mp4") else source
    done = new_process("import app; app.entry()", "track", given, *BOX)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("depthgate: error:") and reason in line


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


def test_a_box_may_begin_left_of_the_frame(folder, tmp_path):
    assert run("track", folder, "--box", "-5,40,30,30", "--csv", tmp_path / "rows.csv") == 0
    assert (tmp_path / "rows.csv").read_text().splitlines()[1].startswith("0,-5.000,40.000")


def test_a_start_that_is_seldom_meant_is_warned_of(folder, tmp_path, monkeypatch, capsys):
    rows = tmp_path / "rows.csv"
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    box = ["--box", "-5000,-5000,20000,20000"]
    assert run("track", folder, *box, "--csv", rows, "--threads", 2, "--budget", "depth:1") == 0
    said = capsys.readouterr().err
    assert "depthgate: warning: box:" in said and "depthgate: warning: threads:" in said
    assert rows.read_text().splitlines()[1].startswith("0,0.000,0.000,160.000,120.000")


def test_names_are_printed_as_they_are(folder, tmp_path, capsys):
    place = folder.rename(tmp_path / "[red]a :smile: [b]")
    out = tmp_path / "[bold]rows.csv"
    assert run("track", place, *BOX, "--csv", out) == 0
    said = capsys.readouterr().err
    assert f"saved {out}" in said and str(place) in said


def test_a_size_that_changes_midway_keeps_what_was_written(folder, tmp_path, capsys):
    cv2.imwrite(str(folder / "5.png"), np.zeros((60, 80, 3), np.uint8))
    flags = ["--csv", tmp_path / "rows.csv", "--save", tmp_path / "out.mp4"]
    assert run("track", folder, *BOX, *flags) == 2
    said = capsys.readouterr().err
    assert "80x60 after 160x120" in said and "--start 5 --box" in said and "init" not in said
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 1 + 5
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert [capture.read()[0] for _ in range(6)] == [True] * 5 + [False]


def test_a_broken_picture_midway_keeps_what_was_written(folder, tmp_path, capsys):
    (folder / "3.png").write_bytes(b"broken")
    assert run("track", folder, *BOX, "--csv", tmp_path / "rows.csv") == 2
    assert "3.png cannot be decoded" in capsys.readouterr().err
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 1 + 3


def test_a_truncated_video_is_tracked_as_far_as_it_goes(folder, tmp_path, capsys):
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    assert run("track", folder, *BOX, "--save", whole) == 0
    remuxed(whole, cut)
    cut.write_bytes(cut.read_bytes()[: int(cut.stat().st_size * 0.75)])
    assert run("track", cut, *BOX, "--csv", tmp_path / "rows.csv") == 2
    assert "truncated" in capsys.readouterr().err
    assert 2 <= len((tmp_path / "rows.csv").read_text().splitlines()) - 1 < 8


def remuxed(source, target) -> None:
    """The same frames, each decodable alone, with the index in front."""
    import av

    with av.open(str(source)) as inside, av.open(str(target), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.options = {"g": "1", "tune": "zerolatency"}
        for frame in inside.decode(video=0):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="bgr24"), "bgr24")))
        out.mux(stream.encode())


def test_a_damaged_artefact_is_refused(folder, tmp_path, capsys):
    damaged = shutil.copytree(find("default"), tmp_path / "damaged.test")
    (damaged / "stage_1.onnx").write_bytes(b"damaged")
    assert run("track", folder, *BOX, "--model", damaged) == 2
    assert "stage_1.onnx" in capsys.readouterr().err


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


def test_the_version(capsys):
    assert run("--version") == 0
    assert re.fullmatch(r"depthgate \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_every_verb_begins_its_help_with_what_it_does(capsys):
    pending, seen = [[]], 0
    while pending:
        verb = pending.pop()
        assert run(*verb, "--help") == 0
        text = capsys.readouterr().out
        pending += [[*verb, name] for name in re.findall(r"^    (\w+) {2,}\S", text, re.MULTILINE)]
        usage, description = text.split("\n\n")[:2]
        assert re.match(r"[A-Z].*\.$", description.replace("\n", " ")), f"{verb}: {description}"
        seen += 1
    assert seen > 15


def test_the_help_of_track_shows_how(capsys):
    assert run("track", "--help") == 0
    text = capsys.readouterr().out
    for part in ("examples:", "--box 312,140,64,90 --save", "the box:", "budgets:", "depth:K", "GMAC"):
        assert part in text


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


def test_ctrl_c_closes_the_files_and_exits_130(folder, tmp_path, monkeypatch, capsys):
    from tracker.tracker import Tracker

    update, calls = Tracker.update, []

    def interrupted(self, frame):
        calls.append(frame)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return update(self, frame)

    monkeypatch.setattr(Tracker, "update", interrupted)
    flags = ["--csv", tmp_path / "rows.csv", "--save", tmp_path / "out.mp4"]
    assert run("track", folder, *BOX, *flags) == 130
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 1 + 4
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert [capture.read()[0] for _ in range(5)] == [True] * 4 + [False]
    assert "4/8 frames" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_closes_the_files_and_names_itself(folder, tmp_path, number):
    """In a terminal of its own, which is gone before the end."""
    code = f"""
import os, signal, time
signal.signal({int(number)}, signal.SIG_DFL)
import app
from tracker.tracker import Tracker
update, calls = Tracker.update, []
def signalled(self, frame):
    calls.append(frame)
    if len(calls) == 4:
        os.write(1, b"now")
        for _ in range(400):
            time.sleep(0.05)
    return update(self, frame)
Tracker.update = signalled
app.entry()
"""
    out = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "mp4", "png")}
    flags = ["--csv", out["csv"], "--save", out["mp4"], "--picture", out["png"]]
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", code, "track", folder, *BOX, *flags]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True)
    with run:
        os.close(theirs)
        while run.stdout not in (ready := select.select([run.stdout, ours], [], [])[0]):
            os.read(ready[0], 4096)
        os.close(ours)
        run.send_signal(number)
        assert run.wait(20) == 128 + number
    assert len(out["csv"].read_text().splitlines()) == 1 + 4
    capture = cv2.VideoCapture(str(out["mp4"]))
    assert [capture.read()[0] for _ in range(5)] == [True] * 4 + [False]
    assert cv2.imread(str(out["png"])) is not None


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


def test_a_stream_that_breaks_keeps_what_was_written(folder, tmp_path, capsys):
    assert run("track", folder, *BOX, "--save", tmp_path / "whole.mp4") == 0
    remuxed(tmp_path / "whole.mp4", tmp_path / "each.mp4")
    data = (tmp_path / "each.mp4").read_bytes()
    with served(file(data[: len(data) * 2 // 3], len(data))) as url:
        assert run("track", url, *BOX, "--csv", tmp_path / "rows.csv", "--save", tmp_path / "out.mp4") == 2
    assert "the connection broke" in capsys.readouterr().err
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert 2 < len(rows) < 9 and sum(capture.read()[0] for _ in range(8)) == len(rows) - 1


@pytest.mark.parametrize("flag, name", [("--csv", "rows.csv"), ("--save", "out.mp4")])
def test_a_full_disk_is_one_line_and_exit_2(folder, tmp_path, capsys, flag, name):
    assert run("track", folder, *BOX, flag, tmp_path / name) == 0
    with file_size_limit((tmp_path / name).stat().st_size // 2):
        assert run("track", folder, *BOX, flag, tmp_path / name) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"depthgate: error: output: {tmp_path / name} cannot be written (")


def preceded_by_ctrl_c(monkeypatch, owner, name: str) -> None:
    """Press Ctrl-C whenever the method begins."""
    method = getattr(owner, name)

    def pressed(self, *arguments):
        signal.raise_signal(signal.SIGINT)
        return method(self, *arguments)

    monkeypatch.setattr(owner, name, pressed)


@pytest.mark.parametrize("first", ["while tracking", "while finishing"])
def test_ctrl_c_while_finishing_destroys_nothing(folder, tmp_path, monkeypatch, first):
    from tracker import follow
    from tracker.outputs import RowWriter
    from tracker.record import Record
    from tracker.saved_video import VideoWriter

    if first == "while tracking":
        preceded_by_ctrl_c(monkeypatch, follow.Tracker, "update")
    for owner, name in ((RowWriter, "close"), (VideoWriter, "__exit__"), (Record, "write_picture")):
        preceded_by_ctrl_c(monkeypatch, owner, name)
    out = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "mp4", "png")}
    code = run("track", folder, *BOX, "--csv", out["csv"], "--save", out["mp4"], "--picture", out["png"])
    count, expected = (1, 130) if first == "while tracking" else (8, 0)
    assert code == expected
    assert len(out["csv"].read_text().splitlines()) == 1 + count
    capture = cv2.VideoCapture(str(out["mp4"]))
    assert [capture.read()[0] for _ in range(count + 1)] == [True] * count + [False]
    assert cv2.imread(str(out["png"])) is not None


@pytest.mark.parametrize("module", ["cv2", "tracker.follow", "onnxruntime"])
def test_ctrl_c_while_importing_is_exit_130_without_a_word(folder, module):
    code = f"""
import signal, sys
class Press:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Press())
import app
app.entry()
"""
    done = new_process(code, "track", folder, *BOX)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_ctrl_c_on_the_way_out_changes_nothing():
    code = "import app, atexit, signal; atexit.register(signal.raise_signal, signal.SIGINT); app.entry()"
    done = new_process(code, "track", "none.mp4", *BOX)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_ctrl_c_that_an_extension_module_wraps_is_exit_130(folder, monkeypatch, capsys):
    import tracker.follow

    def wrapped(wanted):
        raise ImportError("initialization failed") from KeyboardInterrupt()

    monkeypatch.setattr(tracker.follow, "follow", wrapped)
    assert run("track", folder, *BOX) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "fault, line, code",
    [
        pytest.param(lambda _: 1 / 0, "internal error: ZeroDivisionError", 1, id="ours"),
        pytest.param(
            lambda _: Path("/dev/null/x").read_text(), "error: /dev/null/x: Not a directory", 2, id="a file"
        ),
        pytest.param(lambda _: Path("/").write_text(""), "error: /: Is a directory", 2, id="a folder"),
        pytest.param(lambda _: os.write(-1, b""), "internal error: OSError", 1, id="no file of anybody"),
        pytest.param(
            lambda _: importlib.import_module("tracker.nowhere"), "internal error: ModuleNot", 1, id="import"
        ),
    ],
)
def test_whose_fault_it_is_says_the_exit_code(folder, monkeypatch, capsys, fault, line, code):
    import tracker.follow

    monkeypatch.setattr(tracker.follow, "follow", fault)
    assert run("track", folder, *BOX) == code
    assert capsys.readouterr().err.startswith(f"depthgate: {line}")
    assert run("track", folder, *BOX, "--debug") == code
    said = capsys.readouterr().err
    assert said.startswith("Traceback") and f"depthgate: {line}" in said.splitlines()[-1]


def test_debug_adds_the_traceback_to_an_error_of_what_was_given(capsys):
    assert run("track", "none.mp4", *BOX, "--debug") == 2
    said = capsys.readouterr().err
    assert said.startswith("Traceback") and said.splitlines()[-1].startswith("depthgate: error: source")


THIRD = (
    "torch",
    "joblib",
    "onnx",
    "onnxscript",
    "matplotlib",
    "threadpoolctl",
    "got10k",
    "scipy",
    "safetensors",
)
MISSING = {
    "train training/recipes/smoke.yaml": "torch is not installed; pip install 'depthgate[train]'",
    "calibrate none --data none": "joblib is not installed; pip install 'depthgate[train]'",
    "export none --out none": "onnx is not installed; pip install 'depthgate[export]'",
    "eval folder none --out none": "matplotlib is not installed; pip install 'depthgate[eval]'",
    "eval otb none --out none": "matplotlib is not installed; pip install 'depthgate[eval]'",
    "bench --parts": "matplotlib is not installed; pip install 'depthgate[eval]'",
    "search show 0": "torch is not installed; pip install 'depthgate[search]'",
}


def test_a_missing_extra_is_named(tmp_path):
    code = f"""
import sys
for name in {THIRD}:
    sys.modules[name] = None
import app
print([app.main(line.split()) for line in sys.argv[1:]])
"""
    done = new_process(code, *MISSING)
    assert done.stderr.splitlines() == [f"depthgate: error: {line}" for line in MISSING.values()]
    assert done.stdout.strip() == str([2] * len(MISSING))


def test_python_without_the_dependencies_says_where_there_is_one_with_them():
    code = """
import sys
sys.modules["numpy"] = None
import app
print(app.main(["track", "none.mp4"]))
"""
    done = new_process(code)
    assert done.stdout == "2\n"
    assert done.stderr.startswith("depthgate: error: numpy is not installed; pip install -e . here, or run")
    assert done.stderr.count("\n") == 1


def test_a_box_is_drawn_where_there_is_a_display(folder, tmp_path, monkeypatch):
    pygame = pytest.importorskip("pygame", reason="needs the extra window")
    import tracker.ui.window

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(tracker.ui.window.Window, "select_box", lambda self, frame: (50.0, 40.0, 30.0, 30.0))
    assert run("track", folder, "--csv", tmp_path / "rows.csv") == 0
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 9
    assert not pygame.display.get_init()


@pytest.mark.parametrize("verb", ["track", "train", "export", "calibrate", "eval", "bench"])
def test_every_verb_has_help(verb, capsys):
    assert run(verb, "--help") == 0
    assert f"{verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, reason",
    [
        pytest.param(["train", "none.yaml"], "none.yaml", id="no recipe"),
        pytest.param(["train", "none.yaml", "--run", "r", "--rum", "x"], "arguments: --rum x", id="no flag"),
        pytest.param(
            ["calibrate", "none", "--data", "none", "seed=3"], "arguments: seed=3", id="no override"
        ),
        pytest.param(["calibrate", "none", "--data", "none"], "none", id="no artefact"),
        pytest.param(["eval", "folder", "none", "--out", "none"], "none", id="no data"),
        pytest.param(["bench", "--data", "none"], "none", id="no data to time"),
        pytest.param(["bench", "--peers"], "timed on --data DIR", id="peers without data"),
        pytest.param(["bench", "--parts", "--peers", "kcf"], "timed on --data DIR", id="peers and parts"),
        pytest.param(["bench"], "expected one of --data", id="nothing to time"),
        pytest.param(["bench", "--single", "none.onnx"], "cannot be read as a graph", id="no graph"),
        pytest.param(["eval", "got10k", "none", "--out", "x"], "none is no folder", id="no GOT-10k"),
        pytest.param(["eval", "got10k", ".", "--out", "x"], "cannot be read as GOT10k", id="empty GOT-10k"),
        pytest.param(["export", "none.safetensors", "--out", "x.y"], "none.safetensors", id="no weights"),
        pytest.param(["fly"], "invalid choice", id="unknown verb"),
        pytest.param([], "VERB", id="no verb"),
    ],
)
def test_other_verbs_name_what_is_wrong(arguments, reason, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert said.count("depthgate: error:") == 1 and reason in said


def test_peers_without_names_are_opencvs(monkeypatch):
    import eval.bench

    asked = []
    monkeypatch.setattr(eval.bench, "bench", lambda *given: asked.append(given) or {"ms": {}})
    assert run("bench", "--data", "DIR", "--peers") == run("bench", "--data", "DIR") == 0
    assert [given[4] for given in asked] == [["kcf", "csrt", "mosse"], []]


def test_no_contender_is_not_every_contender(folder, tmp_path, capsys):
    place = tmp_path / "set" / "square"
    shutil.copytree(folder, place)
    (place / "groundtruth.txt").write_text("50,40,30,30\n" * 8)
    assert run("eval", "folder", tmp_path / "set", "--out", tmp_path / "out", "--contenders", "") == 2
    assert "contender: got ''" in capsys.readouterr().err


def test_vot_without_the_toolkit(folder, tmp_path, capsys):
    place = tmp_path / "set" / "square"
    shutil.copytree(folder, place)
    (place / "groundtruth.txt").write_text("".join(f"{50 + i},40,30,30\n" for i in range(8)))
    flags = ["--built-in", "--workspace", tmp_path / "ws", "--contenders", "static,depth:1"]
    assert run("eval", "vot", tmp_path / "set", *flags) == 0
    assert capsys.readouterr().out.count("| depth:1 |") == 2
    assert (tmp_path / "ws" / "vot_built_in.json").is_file()
