import hashlib
import json
import shutil

import numpy as np
import onnxruntime
import pytest

from tracker import ManifestError, Tracker
from tracker.engine import OrtEngine
from tracker.manifest import load_manifest
from tracker.zoo import find


@pytest.fixture(scope="module")
def engine() -> OrtEngine:
    folder = find("default")
    return OrtEngine(folder, load_manifest(folder))


def crops(n: int, *sides: int) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(n)
    return {s: rng.integers(0, 256, (n, s, s, 3), dtype=np.uint8) for s in sides}


def test_several_targets_in_a_call_equal_each_alone(engine):
    template, search = crops(3, 64, 128), crops(3, 128, 256)
    kernels = engine.template(template)
    carry = None
    for k, crop in enumerate((search[128], None, search[256], None), start=1):
        together = engine.stage(k, crop, carry, kernels[k - 1])
        for i in range(3):
            one = slice(i, i + 1)
            alone = engine.stage(
                k,
                None if crop is None else crop[one],
                None if carry is None else carry[one],
                kernels[k - 1][one],
            )
            assert np.allclose(together.score[one], alone.score, atol=1e-4)
            assert np.allclose(together.ltrb[one], alone.ltrb, atol=1e-4)
        carry = together.carry


def test_a_stage_without_its_exit_hands_on_the_same(engine):
    search, kernels = crops(2, 128, 256), engine.template(crops(2, 64, 128))
    carry = None
    for k, crop in enumerate((search[128], None, search[256]), start=1):
        whole = engine.stage(k, crop, carry, kernels[k - 1]).carry
        assert np.allclose(engine.pass_on(k, crop, carry), whole, atol=1e-4)
        carry = whole


def test_the_last_stage_has_neither_gate_nor_carry(engine):
    kernels = engine.template(crops(1, 64, 128))
    carry = engine.stage(1, crops(1, 128)[128], None, kernels[0]).carry
    assert engine.stage(2, None, carry, kernels[1]).gate.shape == (1, 1)
    manifest = load_manifest(find("default"))
    assert manifest.geometry.stage_sides[3] is None
    third = engine.stage(3, crops(1, 256)[256], engine.stage(2, None, carry, kernels[1]).carry, kernels[2])
    last = engine.stage(4, None, third.carry, kernels[3])
    assert last.gate is None and last.carry is None


def with_graph(tmp_path, name: str, content: bytes):
    """The shipped artefact with one graph replaced, its digest made to fit."""
    folder = shutil.copytree(find("default"), tmp_path / "copy.test")
    (folder / name).write_bytes(content)
    raw = json.loads((folder / "manifest.json").read_text())
    raw["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(raw))
    return folder


def test_a_file_that_is_no_graph(tmp_path):
    with pytest.raises(ManifestError, match=r"stage_2.onnx: not a graph"):
        Tracker.load(with_graph(tmp_path, "stage_2.onnx", b"no graph"))


def test_a_graph_of_another_stage(tmp_path):
    other = (find("default") / "stage_2.onnx").read_bytes()
    with pytest.raises(
        ManifestError, match=r"stage_1.onnx: inputs got carry, template_2, expected search_128"
    ):
        Tracker.load(with_graph(tmp_path, "stage_1.onnx", other))


def test_a_profile_shows_that_stages_after_the_stop_did_not_run(monkeypatch, tmp_path, frame):
    class Profiled(onnxruntime.SessionOptions):
        def __init__(self) -> None:
            super().__init__()
            self.enable_profiling = True
            self.profile_file_prefix = str(tmp_path / "profile")

    monkeypatch.setattr(onnxruntime, "SessionOptions", Profiled)
    tracker = Tracker.load(budget="depth:2")
    tracker.init(frame, (100, 80, 60, 40))
    assert tracker.update(frame).depth == 2

    def nodes(sessions) -> list[int]:
        counts = []
        for session in sessions:
            with open(session.end_profiling()) as profile:
                counts.append(sum(event["cat"] == "Node" for event in json.load(profile)))
        return counts

    backbones, stages = nodes(tracker._engine._backbones), nodes(tracker._engine._stages)
    assert backbones[0] > 0 and backbones[1:] == [0, 0]
    assert stages[1] > 0 and stages[0] == stages[2] == stages[3] == 0
