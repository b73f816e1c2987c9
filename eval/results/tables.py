"""Markdown tables from the JSON that an evaluation wrote; eval/results/pages.py puts them on pages."""

from typing import Any


def evaluation_table(document: dict[str, Any]) -> str:
    """One row a contender, best first."""
    lines = [
        "| tracker | AUC | AO | SR 0.5 | P@20 | mean depth | frames per depth, % |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = sorted(document["contenders"].items(), key=lambda item: -item[1]["auc"])
    for name, row in rows:
        ours = "share" in row
        depth = f"{row['mean_depth']:.2f}" if ours else "–"
        share = " / ".join(f"{100 * s:.0f}" for s in row["share"]) if ours else "–"
        label = f"**depthgate** {name}" if ours else f"OpenCV {name.upper()}"
        figures = " | ".join(f".{round(1000 * row[k]):03d}" for k in ("auc", "ao", "sr50", "p20"))
        lines.append(f"| {label} | {figures} | {depth} | {share} |")
    return "\n".join(lines)


def presence_table(document: dict[str, Any]) -> str:
    """One row a contender: what it calls lost, and what it makes of absences; medians in frames."""
    lines = [
        "| budget | good called lost | absent called lost | AUC-ROC | declared | after "
        "| found again | after | false recoveries |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in document["contenders"].items():
        shares = " | ".join(f"{100 * row[k]:.1f} %" for k in ("good_called_lost", "absent_called_lost"))
        declared = f"{row['declared']} of {row['absences']} | {_frames(row['median_to_declare'])}"
        recovered = f"{row['recovered']} of {row['returns']} | {_frames(row['median_to_recover'])}"
        lines.append(
            f"| {name} | {shares} | {_figure(row['area'])} | {declared} | {recovered} "
            f"| {row['false_recoveries']} |"
        )
    return "\n".join(lines)


def _frames(count: float | None) -> str:
    return "–" if count is None else f"{count:g}"


def bench_table(document: dict[str, Any]) -> str:
    """One row a contender, fastest first; AUC on the timed frames only."""
    lines = [
        "| tracker | mean ms | median | p25 – p75 | p95 | p99 | of full | AUC on these frames |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in sorted(document["ms"].items(), key=lambda item: item[1]["mean"]):
        cells = [f"{row[k]:.2f}" for k in ("mean", "median")]
        cells += [f"{row['p25']:.2f} – {row['p75']:.2f}"]
        cells += [f"{row[k]:.2f}" for k in ("p95", "p99", "of_full")]
        lines.append(f"| {name} | {' | '.join(cells)} | {_figure(row['auc'])} |")
    return "\n".join(lines)


def latency_table(document: dict[str, Any]) -> str:
    """One row a part of a frame; p50 / p95 / p99 in ms, and MACs."""
    lines = []
    for run in document["runs"]:
        lines += [
            f"**{run['provider']}, {run['threads']} thread(s)**",
            "",
            "| part | p50 ms | p95 | p99 | MMAC |",
            "|---|---|---|---|---|",
        ]
        for name, row in run["parts"].items():
            macs = f"{row['mmac']:.1f}" if "mmac" in row else "–"
            lines.append(f"| {name} | {row['p50']:.3f} | {row['p95']:.3f} | {row['p99']:.3f} | {macs} |")
        reached = ", ".join(f"{100 * share:.0f} %" for share in run["of_limit"])
        lines += [
            "",
            f"Rest of a full update {run['rest']:.3f} ms. The stages reach {reached} of this machine's "
            f"matrix product ({run['limit_gmacs']:.0f} GMAC/s).",
        ]
        if "millijoules_per_update" in run:
            lines.append(f"{run['millijoules_per_update']:.1f} mJ an update (package).")
        lines.append("")
    return "\n".join(lines).rstrip()


def forms_table(document: dict[str, Any]) -> str:
    """One row a depth: the stages in a loop, and the single graph."""
    lines = ["| depth | a graph a stage, ms | one graph, nested If, ms |", "|---|---|---|"]
    for depth, forms in document["ms"].items():
        cells = [f"{f['median']:.2f} ({f['p25']:.2f} – {f['p75']:.2f})" for f in forms.values()]
        lines.append(f"| {depth} | {' | '.join(cells)} |")
    return "\n".join(lines)


def vot_table(document: dict[str, Any]) -> str:
    """One row a contender and experiment. R counts failures a run (reset) or frames before one (anchors)."""
    lines = ["| tracker | experiment | EAO | A | R |", "|---|---|---|---|---|"]
    notes = []
    for name, experiments in document["contenders"].items():
        for experiment, row in experiments.items():
            cells = [_figure(row.get(key)) for key in ("eao", "accuracy", "robustness")]
            lines.append(f"| {name} | {experiment} ({row['kind']}) | {' | '.join(cells)} |")
            if "why" in row:
                notes.append(f"{name}, {experiment}: no EAO, {row['why']}")
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def toolkit_table(document: dict[str, Any]) -> str:
    """One row a contender with the benchmark's own measures."""
    rows = document["rows"]
    keys = [key for key in next(iter(rows.values())) if key != "by_sequence"]
    lines = [f"| {document['benchmark']} | {' | '.join(keys)} |", "|---" * (len(keys) + 1) + "|"]
    for name, row in rows.items():
        cells = [row[k] if isinstance(row[k], str) else _figure(row[k]) for k in keys]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def sweep_table(document: dict[str, Any]) -> str:
    """One row a point, cheapest first; those without a time (kept from an earlier run) last."""
    lines = ["| budget | AUC | ms | MMAC | mean depth |", "|---|---|---|---|---|"]
    points = document["points"].items()
    for name, p in sorted(points, key=lambda item: (item[1]["ms"] is None, item[1]["ms"])):
        ms, depth = (f"{p[k]:.2f}" if p[k] is not None else "–" for k in ("ms", "mean_depth"))
        macs = "–" if p["mmac"] is None else f"{p['mmac']:.0f}"
        lines.append(f"| {name} | {_figure(p['auc'])} | {ms} | {macs} | {depth} |")
    return "\n".join(lines)


def rows_table(rows: list[list[str]]) -> str:
    """Columns' names first, then the rows."""
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])
