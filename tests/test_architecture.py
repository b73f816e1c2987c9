"""The arrows between the rooms, and what `import tracker` may load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {"tracker", "models", "training", "eval", "app"}
ALLOWED = {
    "tracker": set(),
    "models": {"tracker"},
    "training": {"models", "tracker", "eval"},
    "eval": {"tracker"},
}
MODELS_MAY_USE = {f"tracker.{name}" for name in ("boxes", "cache", "crop", "engine", "errors", "manifest")}


def modules_of(file: Path) -> set[str]:
    """Full names of what a file imports from our rooms, lazily or not."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name for name in names if name.split(".")[0] in ROOMS}


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_rooms_import_only_where_the_arrows_point(room):
    for file in (ROOT / room).rglob("*.py"):
        others = {name.split(".")[0] for name in modules_of(file)} - {room}
        assert others <= ALLOWED[room], f"{file.relative_to(ROOT)} imports {others - ALLOWED[room]}"


def test_models_see_only_the_pure_part_of_the_tracker():
    for file in (ROOT / "models").rglob("*.py"):
        used = {name for name in modules_of(file) if name.startswith("tracker")}
        assert used <= MODELS_MAY_USE, file


def test_the_arrows_of_a_room_are_seen_by_this_test():
    assert "tracker.crop" in modules_of(ROOT / "training" / "streams.py")


def test_tracker_imports_without_torch_and_matplotlib():
    blocked = "import sys\nfor name in ('torch', 'matplotlib', 'models', 'onnx'): sys.modules[name] = None\n"
    used = "import tracker, tracker.follow, app\nassert tracker.Tracker.load\n"
    done = subprocess.run([sys.executable, "-c", blocked + used], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_import_tracker_loads_neither_torch_nor_the_runtime():
    code = "import sys, tracker; print(sorted({'torch', 'onnxruntime', 'av', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_main_help_loads_no_room():
    code = (
        "import sys, app\n"
        "try: app.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'tracker', 'torch', 'cv2', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    for verb in ("track", "train", "export", "calibrate", "eval", "bench"):
        assert f"    {verb}" in done.stdout
