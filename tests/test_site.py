"""The documentation as pages, built as `make site` builds it."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class Loads(HTMLParser):
    """What a browser fetches to show a page; links that a person may follow are none of it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(LOADED.get(tag, ""))
        if address:
            self.addresses.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Built strictly: a dead link, a missing heading or an unknown name ends it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_no_page_needs_a_network(site):
    for page in site.rglob("*.html"):
        for address in Loads(page).addresses:
            assert not re.match(r"(https?:)?//", address), f"{page.name} fetches {address}"
            if not address.startswith("data:"):
                base = site if address.startswith("/") else page.parent
                assert (base / address.split("?")[0].lstrip("/")).exists(), f"{page.name}: {address}"
        assert 'class="mermaid"' not in page.read_text(), "the theme would fetch mermaid"
    styles = "".join(sheet.read_text() for sheet in site.rglob("*.css"))
    assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", styles)


@pytest.mark.slow
def test_the_notebook_is_a_page_with_its_picture_and_python_has_every_public_name(site):
    notebook = (site / "track_a_clip.html").read_text()
    assert "TRACKED" in notebook and re.search(r'<img[^>]*src="track_a_clip_output_\d+_\d+\.jpe?g"', notebook)
    python = (site / "python.html").read_text()
    assert all(
        f'id="tracker.{name}"' in python
        for name in ("Tracker", "Tracker.update", "Prediction", "errors.BoxError")
    )


@pytest.mark.slow
def test_the_notebook_runs(clip):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(ROOT / "docs" / "track_a_clip.ipynb", as_version=4)
    shown = [cell.get("outputs") for cell in notebook.cells]
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    kinds = [[output.output_type for output in cell.get("outputs", [])] for cell in notebook.cells]
    assert kinds == [[output.output_type for output in outputs or []] for outputs in shown]
