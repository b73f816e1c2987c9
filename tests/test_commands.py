"""Every command of README and docs is one that its program understands.

What a verb does, its own tests say; here each line of a fenced block goes
through the parser that would take it, so that no page shows a flag that is gone.
"""

import argparse
import importlib.util
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser as torchrun_parser

import app
from eval.results.pages import pages

ROOT = Path(__file__).parents[1]
PAGES = [*pages(), ROOT / "CONTRIBUTING.md"]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# What only a person can try: a clone, the variables of a shell, Docker, and the hook of an editor.
BY_HAND = ("git clone ", "cd ", "export ", "docker ", ".venv/bin/pre-commit install")


def commands(page: Path) -> list[str]:
    """Commands of fenced blocks without a language, and of `code` with a flag; `a && b` is two."""
    text = page.read_text()
    blocks = [block for language, block in FENCED.findall(text) if not language]
    found = []
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        plain = re.sub(r"(^|\s)#.*", "", line)
        found += [part.strip() for part in plain.split(" && ") if part.strip()]
    return [*found, *INLINE.findall(FENCED.sub("", text))]


FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:depthgate|python app\.py|python -m) [^`]+ --[^`]+)`")
ALL = [(page, command) for page in PAGES for command in commands(page)]


def parsed_by_module(name: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the module as `python -m` does, up to where it has parsed its words."""

    class Parsed(Exception):
        pass

    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser, args=None, namespace=None):
        parse(parser, args, namespace)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    monkeypatch.setattr(sys, "argv", [name, *words])
    for loaded in (name, f"{name}.__main__"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    with pytest.raises(Parsed):
        runpy.run_module(name, run_name="__main__")


@pytest.mark.parametrize("command", sorted({command for _, command in ALL}))
def test_a_command_of_the_pages_is_understood(command, monkeypatch, capsys):
    try:
        understand(command, monkeypatch)
    except SystemExit:
        pytest.fail(capsys.readouterr().err)


def understand(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command)
    if command.startswith(BY_HAND):
        return
    if words[0] == "make":
        assert set(words[1:]) <= TARGETS
    elif words[0] == ".ci/run":
        assert (ROOT / ".ci/run").is_file()
    elif "pip" in words[0]:
        extras = re.findall(r"\[([\w,]+)\]", command)
        assert {extra for named in extras for extra in named.split(",")} <= set(EXTRAS)
    elif words[0] == "torchrun":
        options = torchrun_parser().parse_args(words[1:])
        assert options.training_script == "app.py"
        app._parsed(options.training_script_args)
    elif words[:2] == ["python", "-m"]:
        if words[2] == "eval.results.pages":
            assert importlib.util.find_spec(words[2]) and all((ROOT / page).is_file() for page in words[3:])
        else:
            parsed_by_module(words[2], words[3:], monkeypatch)
    else:
        assert words[0] == "depthgate" or words[:2] == ["python", "app.py"], f"who runs {command!r}?"
        app._parsed(app._joined(words[1 if words[0] == "depthgate" else 2 :]))


def test_the_pages_show_commands_of_every_verb():
    shown = {
        " ".join(re.sub(r"^(depthgate|python app\.py) ", "", c).split()[:1])
        for _, c in ALL
        if "app.py" in c or "depthgate" in c
    }
    assert {"track", "train", "export", "calibrate", "eval", "bench", "search"} <= shown


@pytest.mark.parametrize(
    "command", ["python app.py track clip.mp4 --bocks 1,2,3,4", "make coffee", "pip install '.[tea]'", "rm x"]
)
def test_a_command_that_nobody_understands_is_found(command, monkeypatch):
    with pytest.raises((AssertionError, SystemExit)):
        understand(command, monkeypatch)
