"""What is shipped: versions, pins, the container, a wheel, and the wheel where nothing else is installed."""

import json
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import app

ROOT = Path(__file__).parents[1]


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    needed += [
        d
        for extra in ("train", "export", "eval", "window", "docs")
        for d in project["optional-dependencies"][extra]
    ]
    names = {d.split("[")[0].split(">")[0].split("=")[0].lower().replace("_", "-") for d in needed}
    assert names - {"depthgate"} <= pinned


def test_the_documentation_is_built_without_torch():
    """Packages that the extra `docs` pulls, each with what it needs, as they are installed here."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pulled, waiting = set(), [Requirement(d) for d in extras["docs"]]
    while waiting:
        needed = waiting.pop()
        if (named := canonicalize_name(needed.name)) in pulled:
            continue
        pulled.add(named)
        for line in requires(needed.name) or []:
            further = Requirement(line)
            if further.marker is None or further.marker.evaluate({"extra": ""}):
                waiting.append(further)
    assert {"mkdocs", "nbclient"} <= pulled and "torch" not in pulled


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert f"\n## {version} – " in (ROOT / "CHANGELOG.md").read_text()


def test_the_container_runs_a_command_of_ours_and_not_as_root():
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines if line and line[0] != "#"}
    assert json.loads(said["ENTRYPOINT"]) == ["depthgate"]
    assert app._parsed(json.loads(said["CMD"])).box == (400, 50, 108, 150)
    assert said["USER"] not in ("root", "0")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    return next(folder.glob("depthgate-*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_every_room_and_the_zoo(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        "app.py",
        "arguments.py",
        "tracker/tracker.py",
        "tracker/py.typed",
        "models/py.typed",
        "training/py.typed",
        "eval/py.typed",
        "tracker/ui/window.py",
        "tracker/zoo/index.json",
        "tracker/zoo/LICENSE",
        "tracker/zoo/depthgate-s.pack/stage_1.onnx",
        "tracker/zoo/depthgate-s.pack/card.md",
        "tracker/zoo/depthgate-s.pack/weights.safetensors",
        "models/network.py",
        "models/nas/network.py",
        "models/costs.json",
        "training/loop.py",
        "training/recipes/depthgate_s.yaml",
        "training/nas/own.jsonl",
        "training/nas/benchmark/surrogate.safetensors",
        "eval/onepass/folder.py",
    }
    assert expected <= names
    assert not any(name.startswith("tests/") for name in names)


@pytest.mark.slow
def test_the_wheel_tracks_in_an_empty_environment(wheel, tmp_path):
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    install = [environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-c", str(ROOT / "constraints.txt"), str(wheel)], check=True)
    frames = tmp_path / "frames"
    frames.mkdir()
    for i in range(4):
        picture = np.full((120, 160, 3), 40, np.uint8)
        picture[40:70, 50 + i : 80 + i] = (40, 220, 240)
        cv2.imwrite(str(frames / f"{i}.png"), picture)
    command = [
        environment / "bin" / "depthgate",
        "track",
        "frames",
        "--box",
        "50,40,30,30",
        "--csv",
        "rows.csv",
    ]
    subprocess.run([*command, "--save", "out.mp4"], cwd=tmp_path, check=True)
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 5
    train = [environment / "bin" / "depthgate", "train", ROOT / "training" / "recipes" / "smoke.yaml"]
    refused = subprocess.run(train, cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 2 and refused.stderr.endswith("pip install 'depthgate[train]'\n")
    code = "import importlib.util as u, tracker; print(u.find_spec('torch'), tracker.__file__)"
    python = environment / "bin" / "python"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("None") and str(environment) in done.stdout
