"""Notebooks as pages of the site: mkdocs calls these while it builds."""

from typing import Any

from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter


def on_files(files: Files, config: Any) -> Files:
    """Put a page, and the pictures of its outputs, in the place of every notebook."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        text, resources = MarkdownExporter().from_filename(notebook.abs_src_path)
        stem = notebook.src_uri.removesuffix(".ipynb")
        for name, data in resources["outputs"].items():
            text = text.replace(name, f"{stem}_{name}")
            files.append(File.generated(config, f"{stem}_{name}", content=data))
        files.remove(notebook)
        files.append(File.generated(config, f"{stem}.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to a notebook lead to its page."""
    return markdown.replace(".ipynb)", ".md)")
