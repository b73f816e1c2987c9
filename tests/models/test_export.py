"""The artefact against the network it was exported from, on real crops."""

import json
import shutil

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from models.engine import load_network, open_engine
from models.export import export, single_graph
from tracker import ManifestError, Tracker
from tracker.crop import cut, window_at
from tracker.engine import OrtEngine
from tracker.manifest import load_manifest
from tracker.zoo import find

CROPS = 104


@pytest.fixture(scope="module")
def artefact():
    folder = find("default")
    return folder, load_manifest(folder)


@pytest.fixture(scope="module")
def windows(clip) -> list[dict[int, np.ndarray]]:
    """Crops of random windows all over the clip, in the four sides that the network reads."""
    rng = np.random.default_rng(0)
    capture, found = cv2.VideoCapture(str(clip)), []
    while len(found) < CROPS and capture.grab():
        frame = capture.retrieve()[1]
        side = rng.uniform(60, 400)
        window = window_at(rng.uniform(0, frame.shape[1]), rng.uniform(0, frame.shape[0]), side)
        found.append({s: cut(frame, window, s, (90, 90, 90))[None] for s in (64, 128, 256)})
    assert len(found) == CROPS
    return found


def test_torch_and_onnx_agree_at_every_exit_on_real_crops(artefact, windows):
    folder, manifest = artefact
    ort, torch = OrtEngine(folder, manifest), open_engine(folder, manifest)
    worst = 0.0
    for i, crops in enumerate(windows):
        template = {s: windows[i // 8 * 8][s] for s in manifest.geometry.template_sides}
        carries: list[np.ndarray | None] = [None, None]
        kernels = ort.template(template), torch.template(template)
        for k, side in enumerate(manifest.geometry.stage_sides, start=1):
            crop = None if side is None else crops[side]
            a = ort.stage(k, crop, carries[0], kernels[0][k - 1])
            b = torch.stage(k, crop, carries[1], kernels[1][k - 1])
            carries = [a.carry, b.carry]
            worst = max(worst, np.abs(a.score - b.score).max(), np.abs(a.ltrb - b.ltrb).max())
            if k < manifest.depths:
                worst = max(worst, np.abs(a.gate - b.gate).max())
    assert worst <= 1e-4


def test_the_torch_tracker_follows_the_same_boxes(clip, cyclist):
    from tracker.frames import open_source

    first, _, box = cyclist
    with open_source(clip) as source:
        frames = [f for i, f in zip(range(first + 9), source, strict=False) if i >= first]
    tracks = []
    for engine in ("onnx", "torch"):
        tracker = Tracker.load(engine=engine)
        tracker.init(frames[0], box)
        tracks.append([tracker.update(frame).box for frame in frames[1:]])
    assert np.allclose(*tracks, atol=0.05)


@pytest.fixture(scope="module")
def single(artefact, tmp_path_factory):
    path = tmp_path_factory.mktemp("single") / "tracker.onnx"
    return single_graph(artefact[0], path)


def feed(engine: OrtEngine, crops: dict[int, np.ndarray]) -> dict[str, np.ndarray]:
    kernels = engine.template({s: crops[s] for s in (64, 128)})
    given = {f"template_{k}": kernel for k, kernel in enumerate(kernels, start=1)}
    return {"search_128": crops[128], "search_256": crops[256], **given}


@pytest.mark.parametrize(
    "tau, depth",
    [
        pytest.param([0, 0, 0], 1, id="depth 1"),
        pytest.param([1, 0, 0], 2, id="depth 2"),
        pytest.param([1, 1, 0], 3, id="depth 3"),
        pytest.param([1, 1, 1], 4, id="full"),
    ],
)
def test_the_single_graph_answers_as_the_stages_do_and_runs_nothing_deeper(
    artefact, windows, single, tmp_path, tau, depth
):
    engine = OrtEngine(*artefact)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    session = onnxruntime.InferenceSession(str(single), options, providers=["CPUExecutionProvider"])
    for crops in windows[:3]:
        inputs = feed(engine, crops)
        score, ltrb, stopped = session.run(None, {**inputs, "tau": np.array(tau, np.float32)})
        assert stopped.item() == depth
        carry = None
        for k, side in enumerate(artefact[1].geometry.stage_sides[:depth], start=1):
            crop = None if side is None else crops[side]
            expected = engine.stage(k, crop, carry, inputs[f"template_{k}"])
            carry = expected.carry
        assert np.allclose(score, expected.score, atol=1e-4)
        assert np.allclose(ltrb, expected.ltrb, atol=1e-4)
    with open(session.end_profiling()) as profile:
        ran = {event["name"] for event in json.load(profile) if event["cat"] == "Node"}
    for k in range(1, 5):
        assert any(name.startswith(f"stage_{k}/") for name in ran) == (k <= depth)


def test_the_single_graph_stops_where_the_gate_says(artefact, windows, single):
    engine, session = OrtEngine(*artefact), onnxruntime.InferenceSession(str(single))
    inputs = feed(engine, windows[0])
    gate = engine.stage(1, windows[0][128], None, inputs["template_1"]).gate
    p = float(1 / (1 + np.exp(-gate[0, 0])))
    for tau, stops in ((p - 0.01, True), (p + 0.01, False)):
        taus = np.array([tau, 0, 0], np.float32)
        assert (session.run(["depth"], {**inputs, "tau": taus})[0].item() == 1) is stops


@pytest.mark.slow
def test_the_shipped_graphs_are_those_of_the_shipped_weights(artefact, windows, tmp_path):
    folder, manifest = artefact
    weights = shutil.copy(folder / "weights.safetensors", tmp_path / "weights.safetensors")
    fresh = export(type(folder)(weights), tmp_path / "depthgate-s.fresh")
    engines = OrtEngine(folder, manifest), OrtEngine(fresh, load_manifest(fresh))
    kernels = [e.template({s: windows[0][s] for s in (64, 128)}) for e in engines]
    outputs = [e.stage(1, windows[1][128], None, k[0]) for e, k in zip(engines, kernels, strict=True)]
    assert np.allclose(outputs[0].score, outputs[1].score, atol=1e-5)
    assert np.allclose(outputs[0].ltrb, outputs[1].ltrb, atol=1e-5)
    assert "not cleared for commercial use" in (fresh / "card.md").read_text()


def test_an_export_that_fails_midway_leaves_the_earlier_artefact(artefact, tmp_path, monkeypatch):
    earlier = tmp_path / "depthgate-s.pack"
    shutil.copytree(artefact[0], earlier)

    def fail(network, folder):
        (folder / "template.onnx").write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("models.export._write_graphs", fail)
    with pytest.raises(OSError, match="no space"):
        export(earlier / "weights.safetensors", earlier)
    assert load_manifest(earlier) == artefact[1]
    assert [path.name for path in tmp_path.iterdir()] == ["depthgate-s.pack"]


def test_weights_of_another_kind_are_refused(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(ManifestError, match="not the weights of depthgate-s"):
        load_network(tmp_path / "weights.safetensors", "depthgate-s")


def macs_of_graph(path) -> int:
    """Of the convolutions and matrix products of a graph for one target, by ONNX's own shape inference."""
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.shape.dim[0].dim_param:
            value.type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*graph.value_info, *graph.input, *graph.output)
    }
    shapes |= {i.name: list(i.dims) for i in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            weight, out = shapes[node.input[1]], shapes[node.output[0]]
            total += int(np.prod(out[1:]) * np.prod(weight[1:]))
        elif node.op_type == "MatMul":
            a, b = shapes[node.input[0]], shapes[node.input[1]]
            total += int(np.prod(a[-2:]) * b[-1])
    return total


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_manifests_macs_are_those_of_the_graphs(artefact, k):
    folder, manifest = artefact
    assert macs_of_graph(folder / f"stage_{k}.onnx") == pytest.approx(manifest.stage_macs[k - 1], rel=1e-3)
    if k < manifest.depths:
        assert macs_of_graph(folder / f"backbone_{k}.onnx") == manifest.backbone_macs[k - 1]
