"""The model card: what an artefact is, what made it, and on which terms; from its manifest, and beside it."""

import hashlib
from pathlib import Path
from typing import Any

from tracker.files import write_json, write_text

TERMS = (
    "The weights were trained on research data (frames of published tracking benchmarks and photographs "
    "whose rights stay with their owners) and are for research only: **not cleared for commercial use**. "
    "The licence of the code does not cover them; see tracker/zoo/LICENSE. "
    "Who needs a model for a product trains one on data of their own."
)


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write manifest.json with the digests of the folder's graphs and weights, and card.md."""
    files = sorted((*folder.glob("*.onnx"), folder / "weights.safetensors"))
    manifest["files"] = {
        f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files if f.name != "tracker.onnx"
    }
    write_json(folder / "manifest.json", manifest)
    write_text(folder / "card.md", card(manifest))


def card(manifest: dict[str, Any]) -> str:
    """Return card.md of the artefact that `manifest` describes."""
    training = manifest["training"]
    recipe, environment = training.get("recipe", {}), training.get("environment", {})
    name = f"{manifest['name']}.{manifest['tag']}"
    cells = sorted({cell for stage in manifest["model"]["cells"] for cell in stage})
    lines = [
        f"# {name}",
        "",
        f"Siamese tracker with {manifest['depths']} exits and gates, {manifest['precision']}; "
        f"architecture `{manifest['model']['architecture']}`.",
        "",
        "## Terms",
        "",
        TERMS,
        "",
        "## What made it",
        "",
        f"- purpose: {recipe.get('purpose', 'unknown: exported without a run folder')}",
        f"- teacher: {_teacher(recipe)}",
        f"- cells of NAS-Bench-101: {', '.join(f'`{cell}`' for cell in cells)}",
    ]
    for phase in recipe.get("phases", []):
        lines.append(
            f"- phase {phase['name']}: {phase['samples']} samples in batches of {phase['batch']}, "
            f"peak rate {phase['lr']}"
        )
    if environment:
        lines.append("- " + ", ".join(f"{key} {value}" for key, value in environment.items()))
    lines += [
        "",
        "```",
        "python app.py train training/recipes/depthgate_s.yaml",
        f"python app.py export RUN/weights.safetensors --out tracker/zoo/{name}",
        f"python app.py calibrate tracker/zoo/{name} --data ../shared/data/video/val",
        "```",
        "",
        "## Depths",
        "",
        "| depth | MMAC of the stage | without its exit | committed ms | without its exit |",
        "|---|---|---|---|---|",
    ]
    last = [None]
    rows = zip(
        manifest["macs"],
        manifest["backbone_macs"] + last,
        manifest["costs"]["seconds"],
        manifest["costs"]["backbone_seconds"] + last,
        strict=True,
    )
    for k, (count, bare, seconds, bare_seconds) in enumerate(rows, start=1):
        lines.append(
            f"| {k} | {_scaled(count, 1e-6, 1)} | {_scaled(bare, 1e-6, 1)} "
            f"| {_scaled(seconds, 1e3, 2)} | {_scaled(bare_seconds, 1e3, 2)} |"
        )
    lines += ["", "## Thresholds", "", _thresholds(manifest), ""]
    return "\n".join(lines)


def _scaled(value: float | None, unit: float, digits: int) -> str:
    return "–" if value is None else f"{value * unit:.{digits}f}"


def _teacher(recipe: dict[str, Any]) -> str:
    teacher = recipe.get("teacher")
    return teacher["name"] if teacher else "none"


def _thresholds(manifest: dict[str, Any]) -> str:
    found = manifest["thresholds"]
    if not found["table"]:
        return "Not calibrated yet."
    rows = [
        f"Solved on {found['tracks']} tracks of the split `{found['data']}`, {found['starts']} starts each, "
        "in closed loop; the default is marked. An exit with τ = 1 is not evaluated.",
        "",
        "| τ | frames per depth, % | AUC on it | |",
        "|---|---|---|---|",
    ]
    for row in found["table"]:
        tau = " ".join(f"{t:.3f}" for t in row["tau"])
        share = " / ".join(f"{100 * s:.0f}" for s in row["share"])
        mark = "default" if row["tau"] == found["default"] else ""
        rows.append(f"| {tau} | {share} | {row['accuracy']:.3f} | {mark} |")
    return "\n".join(rows)
