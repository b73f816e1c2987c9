"""The command line as a person meets it: files, messages, exit codes."""

import importlib
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.command_line import BOX, new_process, run
from tracker.zoo import find

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


def test_a_damaged_artefact_is_refused(folder, tmp_path, capsys):
    damaged = shutil.copytree(find("default"), tmp_path / "damaged.test")
    (damaged / "stage_1.onnx").write_bytes(b"damaged")
    assert run("track", folder, *BOX, "--model", damaged) == 2
    assert "stage_1.onnx" in capsys.readouterr().err


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
    "eval folder none --out none": "joblib is not installed; pip install 'depthgate[eval]'",
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
    import eval.speed.bench

    asked = []
    monkeypatch.setattr(eval.speed.bench, "bench", lambda *given: asked.append(given) or {"ms": {}})
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
