"""Put the tables of results on pages: every section between <!-- table: FILE.json --> and <!-- end -->.

python -m eval.results.pages               fills README.md and every page under docs
python -m eval.results.pages README.md     fills that page

FILE is relative to docs/results. <!-- table: FILE.json as VIEW --> shows a part of it; VIEWS has their names.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from eval.results import tables
from eval.results.summary import host_line, summary_line, summary_table
from tracker.files import write_text

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
SECTION = re.compile(r"(<!-- table: (\S+)(?: as (\w+))? -->\n)(.*?)(<!-- end -->)", re.DOTALL)
VIEWS = {
    "summary": lambda document: f"{summary_table(document)}\n\n*{host_line(document)}*",
    "line": summary_line,
    "presence": tables.presence_table,
}


def pages() -> list[Path]:
    """README.md, and every page under docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text: str, results: Path = RESULTS) -> str:
    """Return the page with every marked section written anew from its JSON.

    Raises:
        FileNotFoundError: a section names a file that is not there.
        KeyError: a section names a view that is none of VIEWS.
    """

    def section(found: re.Match[str]) -> str:
        document = json.loads((results / found[2]).read_text())
        view = VIEWS[found[3]] if found[3] else _table
        return f"{found[1]}{view(document)}\n{found[5]}"

    return SECTION.sub(section, text)


def _table(document: dict[str, Any]) -> str:
    """Return the table that fits the kind of document, and the host that its numbers were measured on."""
    if "table" in document:
        return tables.rows_table(document["table"])
    if "stack" in document:
        return tables.vot_table(document)
    if "rows" in document:
        return tables.toolkit_table(document)
    if "runs" in document:
        table = tables.latency_table(document)
    elif "points" in document:
        table = tables.sweep_table(document)
    elif "contenders" in document:
        table = tables.evaluation_table(document)
    elif "frames_per_sequence" in document:
        table = tables.bench_table(document)
    else:
        table = tables.forms_table(document)
    return f"{table}\n\n*{host_line(document)}*"


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]) if sys.argv[1:] else pages():
        write_text(page, filled(page.read_text()))
