"""Pages say what the JSON says, and what they name exists."""

import json
import re
from pathlib import Path

import pytest

from eval.data.sequences import read_pack
from eval.results.pages import RESULTS, SECTION, filled, pages

ROOT = Path(__file__).parents[1]
PAGES = [*pages(), *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"))]
NOISE = 0.03  # of success AUC, one start


def shown(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub and mkdocs make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_table_is_the_one_of_its_json(page):
    text = page.read_text()
    assert filled(text) == text, "run python -m eval.results.pages"


def test_the_readme_shows_figures_and_none_is_empty():
    found = SECTION.findall((ROOT / "README.md").read_text())
    assert [view for _, _, view, _, _ in found] == ["line", "line", "summary"]
    assert all(len(text) > 80 for _, _, _, text, _ in found)


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_and_recipes_of_a_page_exist(page):
    text = page.read_text()
    for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
        link, _, anchor = target.partition("#")
        file = page.parent / link if link else page
        assert file.exists(), f"{link} is not there"
        assert not anchor or anchor in anchors(file), f"{target}: no such heading"
    assert all((ROOT / recipe).exists() for recipe in re.findall(r"training/recipes/\w+\.yaml", text))


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_files_that_a_page_names_in_code_exist(page):
    named = re.findall(
        r"`((?:tracker|models|training|eval|tests|docs)/[\w./-]+\.(?:py|json|yaml|md))`", page.read_text()
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_limits_that_the_readme_states_are_those_of_the_json():
    """A better model makes one of them false; then the README must say so."""
    readme = (ROOT / "README.md").read_text()
    timed = json.loads((RESULTS / "eval/peers.json").read_text())["ms"]
    auc = {
        n: c["auc"]
        for n, c in json.loads((RESULTS / "eval/evaluation.json").read_text())["contenders"].items()
    }
    less_accurate = timed["nanotrack_v3"]["auc"] > max(timed["default"]["auc"], timed["full"]["auc"])
    assert ("It is less accurate than NanoTrack v3" in readme) == less_accurate
    assert ("The gates choose no better than chance" in readme) == (
        auc["default"] - auc["random depth"] < NOISE
    )


def test_the_pack_of_the_data_page_is_one(tmp_path):
    (index,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs/data.md").read_text(), re.DOTALL)
    (tmp_path / "index.json").write_text(index)
    (tmp_path / "mine").mkdir()
    for name in ("dog", "street.1", "street.2"):
        (tmp_path / "mine" / f"{name}.csv").write_text("1,2,3,4\nnan,nan,nan,nan\n")
    sequences = read_pack(tmp_path)
    assert [s.name for s in sequences] == ["mine/dog", "mine/street#0", "mine/street#1"]
    assert [s.visible.tolist() for s in sequences] == [[True, False]] * 3
    assert sequences[0].video == tmp_path / "mine/dog.mp4"
