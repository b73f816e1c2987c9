"""Pages say what the JSON says, and what they name exists."""

import re
from pathlib import Path

import pytest

from eval.results.tables import SECTION, filled

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_table_is_the_one_of_its_json(page):
    text = page.read_text()
    assert filled(text) == text, "run python -m eval.results.tables " + str(page.relative_to(ROOT))


def test_the_readme_has_tables_and_none_is_empty():
    found = SECTION.findall((ROOT / "README.md").read_text())
    assert len(found) >= 3
    assert all(table.count("|") > 10 for _, _, table, _ in found)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_and_recipes_of_a_page_exist(page):
    text = page.read_text()
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    assert all((page.parent / link).exists() for link in links)
    assert all((ROOT / recipe).exists() for recipe in re.findall(r"training/recipes/\w+\.yaml", text))


def test_a_table_is_not_filled_from_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        filled("<!-- table: none.json -->\n<!-- end -->", tmp_path)
