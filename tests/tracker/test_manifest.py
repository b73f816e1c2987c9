import json
import shutil

import pytest

from tracker import ManifestError, Tracker
from tracker.manifest import load_manifest
from tracker.zoo import FOLDER, find


@pytest.fixture
def artefact(tmp_path):
    return shutil.copytree(find("default"), tmp_path / "copy.test")


def rewrite(folder, change) -> None:
    path = folder / "manifest.json"
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def test_the_shipped_artefact_is_whole():
    manifest = load_manifest(find("default"))
    assert manifest.depths >= 4
    assert len(manifest.default_tau) == manifest.depths - 1
    assert manifest.seconds((0.0, 0.0, 0.0), 1) <= manifest.seconds((1.0, 1.0, 1.0), 4) / 4


def test_an_exit_that_is_not_evaluated_is_not_paid_for(manifest):
    """Stages of 10, 10, 20, 40 MMAC, without their exits 8, 8, 15."""
    assert manifest.macs((0.0, 0.0, 0.0), 1) == 10e6
    assert manifest.macs((0.5, 0.5, 0.5), 4) == 80e6
    assert manifest.macs((1.0, 1.0, 1.0), 4) == (8 + 8 + 15 + 40) * 1e6
    assert manifest.macs((0.5, 1.0, 0.5), 3) == (10 + 8 + 20) * 1e6


def test_the_shipped_table_rises_in_cost_and_accuracy():
    manifest = load_manifest(find("default"))
    costs = [
        sum(s * manifest.seconds(row.tau, k) for k, s in enumerate(row.share, start=1))
        for row in manifest.table
    ]
    assert len(costs) >= 2
    assert costs == sorted(costs)
    accuracies = [row.accuracy for row in manifest.table]
    assert accuracies == sorted(accuracies)
    assert manifest.default_tau in [row.tau for row in manifest.table]
    assert all(sum(row.share) == pytest.approx(1, abs=1e-3) for row in manifest.table)


def test_one_copy_of_the_weights_is_small_and_has_its_terms():
    folder = find("default")
    assert (folder / "weights.safetensors").stat().st_size < 8_000_000
    parts = [folder / "template.onnx", *folder.glob("stage_*.onnx")]
    assert sum(f.stat().st_size for f in parts) < 8_000_000
    assert "commercial" in (folder / "card.md").read_text()
    assert "commercial" in (FOLDER / "LICENSE").read_text()


@pytest.mark.parametrize(
    "change, reason",
    [
        pytest.param(lambda m: m.update(format=9), "format got 9, expected 1", id="another format"),
        pytest.param(lambda m: m.pop("decode"), "lacks 'decode'", id="a part is missing"),
        pytest.param(lambda m: m["decode"].pop("window"), "window", id="a constant is missing"),
        pytest.param(lambda m: m["decode"].update(extra=1), "extra", id="a constant too many"),
        pytest.param(lambda m: m["state"].update(lost=[0.1, 0.2]), "2 numbers, expected 4", id="limits"),
        pytest.param(lambda m: m["state"].update(lost=float("nan")), "lost <= unsure", id="a limit of NaN"),
        pytest.param(
            lambda m: m["state"].update(lost=0.9, unsure=0.8),
            "0.9, 0.8, .* lost <= unsure",
            id="order of limits",
        ),
        pytest.param(lambda m: m["state"].update(reach=2), "reach", id="a limit that nobody knows"),
        pytest.param(lambda m: m["thresholds"].update(default=[0.5]), "1 numbers, expected 3", id="short"),
        pytest.param(lambda m: m["thresholds"].update(default=[2, 0, 0]), "probabilities", id="not in 0..1"),
        pytest.param(lambda m: m["macs"].append(1), "5 numbers, expected 4", id="macs of another depth"),
        pytest.param(lambda m: m["files"].pop("stage_2.onnx"), "stage_2.onnx", id="an unlisted graph"),
        pytest.param(lambda m: m["geometry"].update(stage_sides=[128]), "1 entries", id="stages"),
    ],
)
def test_a_wrong_manifest_is_named(artefact, change, reason):
    rewrite(artefact, change)
    with pytest.raises(ManifestError, match=reason):
        load_manifest(artefact)


def test_limits_of_presence_are_one_an_exit_or_one_for_all(artefact):
    rewrite(artefact, lambda m: m.update(state={"unsure": [0.4, 0.5, 0.6, 0.7], "lost": 0.3}))
    state = load_manifest(artefact).state
    assert (state.unsure, state.lost) == ((0.4, 0.5, 0.6, 0.7), (0.3, 0.3, 0.3, 0.3))
    assert state.found == state.unsure, "what an older manifest does not say"


def test_a_damaged_graph_is_refused_by_its_digest(artefact):
    graph = artefact / "stage_1.onnx"
    damaged = bytearray(graph.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    graph.write_bytes(damaged)
    with pytest.raises(ManifestError, match=r"stage_1.onnx: sha256 .* damaged"):
        Tracker.load(artefact)


def test_a_missing_graph_is_named(artefact):
    (artefact / "stage_3.onnx").unlink()
    with pytest.raises(ManifestError, match=r"stage_3.onnx: missing"):
        Tracker.load(artefact)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "null"])
def test_a_manifest_that_is_no_manifest(artefact, text):
    (artefact / "manifest.json").write_text(text)
    with pytest.raises(ManifestError, match="export"):
        load_manifest(artefact)


def test_a_folder_without_manifest(tmp_path):
    with pytest.raises(ManifestError, match="expected an artefact folder"):
        Tracker.load(tmp_path)


@pytest.mark.parametrize("name", ["default", "depthgate-s", "depthgate-s.pack"])
def test_names_of_the_zoo(name):
    assert find(name).is_dir()
