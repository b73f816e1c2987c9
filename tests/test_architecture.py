"""The arrows between the rooms, and what `import tracker` may load."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "arguments": {"tracker"},
    "tracker": set(),
    "models": {"tracker"},
    "eval": {"tracker", "arguments"},
    "training": {"models", "tracker", "eval", "arguments"},
    "app": {"models", "tracker", "eval", "arguments", "training"},
}
PURE = ("arrays", "boxes", "cache", "crop", "engine", "errors", "files", "manifest")
MODELS_MAY_USE = {f"tracker.{name}" for name in PURE}
MOST_FILES = 15
ONE_WAY_OF_A_FRAME = {"tracker"}
"""Folders whose files are one path, read in its order; they may hold more."""

FILES = [file for room in ALLOWED for file in [*ROOT.glob(f"{room}.py"), *(ROOT / room).rglob("*.py")]]


def name_of(file: Path) -> str:
    """`training.data` for training/data/__init__.py, `training.data.feed` for training/data/feed.py."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


OURS = {name_of(file) for file in FILES}


def modules_of(code: str) -> set[str]:
    """Our modules that some code imports, at its top, within functions and under TYPE_CHECKING."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written with the whole name"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= whole & OURS or {str(node.module)}
    return names & OURS


def arrows(folder: str, imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """Which files and folders in a folder (`training.data`; the root is empty) import which others of it."""
    begin, depth = f"{folder}." if folder else "", len(folder.split(".")) if folder else 0
    found: dict[str, set[str]] = {}
    for importer, imported in imports.items():
        if importer.startswith(begin):
            child = importer.split(".")[depth]
            others = {name.split(".")[depth] for name in imported if name.startswith(begin)}
            found.setdefault(child, set()).update(others - {child})
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Nodes in a circle, or between circles; empty where there is none."""
    left = dict(graph)
    while ends := [node for node, others in left.items() if not others & left.keys()]:
        for node in ends:
            del left[node]
    return sorted(left)


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    return {name_of(file): modules_of(file.read_text()) for file in FILES}


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_rooms_import_only_where_the_arrows_point(imports, room):
    assert arrows("", imports)[room] <= ALLOWED[room]


def test_no_files_import_each_other_in_a_circle(imports):
    assert circle(imports) == []


@pytest.mark.parametrize("folder", sorted({name.rpartition(".")[0] for name in OURS}))
def test_no_rooms_of_a_folder_import_each_other_in_a_circle(imports, folder):
    assert circle(arrows(folder, imports)) == []


@pytest.mark.parametrize(
    "code",
    [
        "import training.data.feed",
        "from training.data.feed import Stream",
        "from training.data import feed",
        "def late():\n    from training.data import feed as other",
        "if TYPE_CHECKING:\n    from training.data.feed import Stream",
    ],
)
def test_an_import_of_any_kind_is_an_arrow(code):
    assert modules_of(f"import numpy\nfrom pathlib import Path\n{code}") == {"training.data.feed"}


def test_a_circle_is_found_between_files_and_between_folders():
    imports = {"a.b.c": {"a.d.e"}, "a.d.e": set(), "a.d.f": {"a.b.g"}, "a.b.g": {"h"}, "h": set()}
    assert circle(imports) == [] and circle(arrows("", imports)) == []
    assert circle(arrows("a", imports)) == ["b", "d"]
    assert circle(imports | {"h": {"a.b.g"}}) == ["a.b.g", "a.d.f", "h"]


def test_a_room_holds_no_more_files_than_one_looks_over():
    folders = Counter(str(file.parent.relative_to(ROOT)) for file in FILES)
    crowded = {folder for folder, count in folders.items() if count > MOST_FILES}
    assert crowded <= ONE_WAY_OF_A_FRAME


@pytest.mark.parametrize("room", ["eval", "training"])
def test_every_folder_says_what_room_it_is(room):
    for folder in {file.parent for file in FILES if file.is_relative_to(ROOT / room)}:
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder.relative_to(ROOT)


def test_names_of_arrays_are_defined_in_one_file():
    """An alias of its own in another file would be a second word for the same thing."""
    alias = re.compile(r"^\w+ = npt\.NDArray\[np\.(uint8|float32|float64|int64|bool_)\]$", re.MULTILINE)
    defining = {name_of(file) for file in FILES if alias.search(file.read_text())}
    assert defining == {"tracker.arrays", "models.nas.hashes"}, "md5 digests, N×16 bytes, are no images"


def test_models_see_only_the_pure_part_of_the_tracker(imports):
    for name, imported in imports.items():
        if name.startswith("models"):
            assert {used for used in imported if used.startswith("tracker")} <= MODELS_MAY_USE, name


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
