"""Whatever ends `app.py track`, its files are closed and whole, and the exit code says why."""

import os
import pty
import select
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from tests.command_line import BOX, ROOT, new_process, remuxed, run
from tests.fakes import file_size_limit
from tests.tracker.sources.servers import file, served


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
