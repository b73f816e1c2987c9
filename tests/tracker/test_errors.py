"""The tree of exceptions names every class of ours, under its base."""

import ast
import re
from pathlib import Path

from tracker import errors

ROOT = Path(__file__).parents[2]
FILES = [
    ROOT / "app.py",
    *(f for room in ("tracker", "models", "training", "eval") for f in (ROOT / room).rglob("*.py")),
]


def defined() -> set[tuple[str, str]]:
    """(base, class) of every exception in the source."""
    found = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                found |= {(ast.unparse(base), node.name) for base in node.bases}
    return found - {("Exception", "TrackerError")}


def drawn() -> set[tuple[str, str]]:
    """(base, class) as the docstring of tracker/errors.py draws them."""
    found, base = set(), ""
    for line in (errors.__doc__ or "").splitlines():
        if re.fullmatch(r"\w+Error", line):
            base = line
        elif child := re.match(r"[├└]── (\w+)", line):
            found.add((base, child[1]))
    return found


def test_the_tree_lists_every_exception_under_its_base():
    assert drawn() == defined()
