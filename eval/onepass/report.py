"""One self-contained page for an evaluation: table, plots, a strip of frames per sequence, failures first.

python app.py eval report docs/results/eval ../shared/data/video/dev
"""

import base64
import html
import io
import json
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from eval.data.sequences import Sequence, read_frames, read_sequences
from eval.onepass.folder import Row, read_rows
from eval.onepass.metrics import THRESHOLDS, success_curve
from eval.results.figures import figure_of
from eval.results.tables import evaluation_table
from tracker.arrays import Image
from tracker.boxes import overlap
from tracker.errors import SourceError
from tracker.files import write_text

SHOTS, SHOT_WIDTH = 6, 200
DASHES = {True: ("-", "-."), False: ("--", ":")}  # ours, others
OURS, LOST, OTHER, TRUTH = (96, 208, 64), (40, 170, 250), (230, 130, 40), (245, 245, 245)
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1500px; margin: 2rem auto }
table { border-collapse: collapse }
td, th { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left }
img { max-width: 100%; display: block } h3 { margin: 1.6rem 0 .3rem } .note { color: #666 }
"""


def write_report(out: Path, folder: Path, ours: str = "default", other: str = "csrt") -> Path:
    """OUT/report.html from OUT/evaluation.json and the boxes kept beside it.

    Raises:
        SourceError: the evaluation was not run, lacks a contender, or a run's file is damaged.
    """
    source = out / "evaluation.json"
    try:
        document = json.loads(source.read_text())
    except (OSError, ValueError) as error:
        raise SourceError(f"report: {source} cannot be read; run eval folder first") from error
    for name in (ours, other):
        if name not in document["contenders"]:
            raise SourceError(
                f"report: {source} has no contender {name!r}, only {', '.join(document['contenders'])}"
            )
    sequences = [s for s in read_sequences(folder) if s.same_frames_as is None]
    rows = {s.name: {name: read_rows(out, name, s.name)[0] for name in (ours, other)} for s in sequences}
    worst_first = sorted(sequences, key=lambda s: rows[s.name][ours].accuracy.auc)
    strips = [_section(s, rows[s.name], ours, other) for s in worst_first]
    host = document["host"]
    page = [
        "<!doctype html><meta charset='utf-8'>",
        f"<title>{html.escape(document['model'])} on {html.escape(document['folder'])}</title>",
        f"<style>{STYLE}</style>",
        f"<h1>{html.escape(document['model'])} on {html.escape(document['folder'])}</h1>",
        f"<p class='note'>{len(sequences)} sequences, {document['starts']} start(s), "
        f"{html.escape(host['cpu'])}, {' '.join(host['flags'])}</p>",
        _html_table(evaluation_table(document)),
        "<h2>Accuracy of every contender</h2>",
        _picture(figure_of(document)),
        "<h2>Success over thresholds</h2>",
        _picture(_success_figure(out, document, sequences)),
        f"<h2>Sequences, the worst of <em>{html.escape(ours)}</em> first</h2>",
        f"<p class='note'>white: truth; green: {html.escape(ours)}, amber where it says LOST; "
        f"blue: {html.escape(other)}; the bar under a strip is its overlap over time, "
        "red where it is below one half</p>",
        *strips,
    ]
    path = out / "report.html"
    write_text(path, "\n".join(page) + "\n")
    return path


def _section(sequence: Sequence, rows: dict[str, Row], ours: str, other: str) -> str:
    row = rows[ours]
    title = f"{sequence.name}: AUC {row.accuracy.auc:.3f} ({other} {rows[other].accuracy.auc:.3f})"
    depth = " / ".join(f"{100 * s:.0f}" for s in row.share)
    note = f"<p class='note'>frames per depth, %: {depth}</p>" if depth else ""
    return f"<h3>{html.escape(title)}</h3>{note}{_strip(sequence, row, rows[other])}"


def _strip(sequence: Sequence, ours: Row, other: Row) -> str:
    """Frames at even distances with the three boxes, above a bar of the overlap."""
    count = len(ours.boxes)
    picks = {ours.first + int(i) for i in np.linspace(0, count - 1, min(SHOTS, count)).round()}
    shots = [
        _drawn(frame, i, sequence, ours, other)
        for i, frame in enumerate(read_frames(sequence.video))
        if i in picks
    ]
    strip = np.hstack(shots)
    bar = _overlap_bar(sequence, ours, strip.shape[1])
    data = cv2.imencode(".jpg", np.vstack([strip, bar]), [cv2.IMWRITE_JPEG_QUALITY, 72])[1].tobytes()
    return f"<img alt='{html.escape(sequence.name)}' src='data:image/jpeg;base64,{_base64(data)}'>"


def _drawn(frame: Image, i: int, sequence: Sequence, ours: Row, other: Row) -> Image:
    scale = SHOT_WIDTH / frame.shape[1]
    small = cv2.resize(frame, (SHOT_WIDTH, round(frame.shape[0] * scale)), interpolation=cv2.INTER_AREA)
    boxes = [
        (sequence.boxes[i], TRUTH),
        (other.boxes[i - other.first], OTHER),
        (ours.boxes[i - ours.first], LOST if i - ours.first in ours.lost else OURS),
    ]
    for box, colour in boxes:
        if np.isfinite(box).all():
            x, y, w, h = np.asarray(box) * scale
            cv2.rectangle(small, (round(x), round(y)), (round(x + w), round(y + h)), colour, 2, cv2.LINE_AA)
    cv2.putText(small, str(i), (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, TRUTH, 1, cv2.LINE_AA)
    return np.asarray(small, np.uint8)


def _overlap_bar(sequence: Sequence, row: Row, width: int) -> Image:
    truth = sequence.boxes[row.first : row.first + len(row.boxes)]
    values = np.nan_to_num(overlap(row.boxes, truth))
    heights = (values[np.linspace(0, len(values) - 1, width).round().astype(int)] * 28).astype(int)
    bar = np.full((30, width, 3), 245, np.uint8)
    for x, height in enumerate(heights):
        bar[30 - height :, x] = OURS if height >= 14 else (80, 80, 220)
    return bar


def _success_figure(out: Path, document: dict[str, Any], sequences: list[Sequence]) -> bytes:
    """Mean success curve of every contender."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    looks = {
        ours: product(dashes, map(to_hex, colormaps["tab20"](range(20)))) for ours, dashes in DASHES.items()
    }
    for name, summary in sorted(document["contenders"].items(), key=lambda item: -item[1]["auc"]):
        curves = []
        for sequence in sequences:
            row = read_rows(out, name, sequence.name)[0]
            rows = slice(row.first, row.first + len(row.boxes))
            seen = sequence.visible[rows]
            curves.append(success_curve(overlap(np.array(row.boxes)[seen], sequence.boxes[rows][seen])))
        style, colour = next(looks["share" in summary])
        label = f"{name} {summary['auc']:.3f}"
        axes.plot(THRESHOLDS, np.mean(curves, 0), style, color=colour, label=label)
    axes.set_xlabel("overlap threshold")
    axes.set_ylabel("share of frames above it")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    return _png(figure)


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _picture(source: Any) -> str:
    data = source if isinstance(source, bytes) else _png(source)
    return f"<img alt='plot' src='data:image/png;base64,{_base64(data)}'>"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _html_table(markdown: str) -> str:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()]
    lines = [_html_row(rows[0], "th"), *(_html_row(row, "td") for row in rows[2:])]
    return f"<table>{''.join(lines)}</table>"


def _html_row(cells: list[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(c).replace('**', '')}</{tag}>" for c in cells) + "</tr>"
