"""Parts of an update: every one is told, in turns with the limit, energy only where it is read."""

import numpy as np
import pytest

from eval.results.tables import latency_table
from eval.speed.parts import latency
from tests.fakes import answer
from tracker import Prediction, Tracker
from tracker.manifest import load_manifest
from tracker.zoo import find


def test_latency_tells_every_part_and_never_guesses_energy(monkeypatch, tmp_path):
    import eval.speed.parts as room

    monkeypatch.setattr(room, "ROUNDS", 5)
    monkeypatch.setattr(room, "WARM_UP", 1)
    monkeypatch.setattr(room, "ENERGY", tmp_path / "none")
    document = latency(str(find("default")), [1])
    run = document["runs"][0]
    stages = {f"stage_{k}" for k in (1, 2, 3, 4)} | {f"backbone_{k}" for k in (1, 2, 3)}
    updates = {"update depth:1", "update depth:2", "update depth:3", "update full"}
    assert set(run["parts"]) == stages | updates | {"crop_128", "crop_256", "decode"}
    manifest = Tracker.load().manifest
    spent = {name: row.get("mmac") for name, row in run["parts"].items()}
    assert spent["stage_2"] == pytest.approx(manifest.stage_macs[1] / 1e6, abs=0.1)
    assert spent["update depth:1"] == spent["stage_1"] and spent["crop_128"] is None
    assert spent["update full"] == pytest.approx(
        (sum(manifest.backbone_macs) + manifest.stage_macs[3]) / 1e6, abs=0.1
    )
    assert f"| {spent['update full']:.1f} |" in latency_table(document)
    way_of_a_full_frame = [
        "crop_128",
        "backbone_1",
        "backbone_2",
        "crop_256",
        "backbone_3",
        "stage_4",
        "decode",
    ]
    medians = {name: row["p50"] for name, row in run["parts"].items()}
    assert run["rest"] == pytest.approx(
        medians["update full"] - sum(medians[name] for name in way_of_a_full_frame), abs=1e-3
    )
    assert "millijoules_per_update" not in run
    assert run["limit_gmacs"] > 1


def test_the_limit_takes_turns_with_the_stages(monkeypatch):
    """On a machine that is half as fast in every other round, the shares of the limit stay as they are."""
    import eval.speed.parts as room
    import eval.speed.stopwatch as stopwatch

    now, order = [0.0], []

    class Clock:
        @staticmethod
        def perf_counter() -> float:
            return now[0]

    def spend(name, cost):
        def call(*inputs):
            order.append(name)
            now[0] += cost * (1 + len([n for n in order if n == name]) % 2)
            return np.zeros((1, 1, 1, 1)) if name == "pass" else answer()

        return call

    monkeypatch.setattr(stopwatch, "time", Clock)
    monkeypatch.setattr(room, "ROUNDS", 4)
    monkeypatch.setattr(room.OrtEngine, "stage", lambda self, k, *rest: spend(f"stage {k}", 0.001)(k))
    monkeypatch.setattr(room.OrtEngine, "pass_on", lambda self, k, *rest: spend(f"bare {k}", 0.001)(k))
    monkeypatch.setattr(room.np, "matmul", spend("product", 0.004))
    monkeypatch.setattr(room, "Decoder", lambda *given: lambda *inputs: None)
    monkeypatch.setattr(
        room.Tracker, "update", lambda self, frame: Prediction((0, 0, 1, 1), 1, True, 1, 0, "", 9)
    )
    run = latency(str(find("default")), [1])["runs"][0]
    assert order.count("product") == order.count("stage 1") == 4 + room.WARM_UP
    assert run["limit_gmacs"] == pytest.approx(room.MATRIX**3 / 0.004 / 1e9, abs=0.1)
    macs = load_manifest(find("default")).stage_macs
    assert run["of_limit"] == pytest.approx([m / 0.001 / (room.MATRIX**3 / 0.004) for m in macs], abs=2e-3)


def test_energy_is_read_where_the_machine_tells(monkeypatch, tmp_path):
    import eval.speed.parts as room

    counter = tmp_path / "energy_uj"
    counter.write_text("1000000")
    monkeypatch.setattr(room, "ENERGY", counter)
    with room._joules() as spent:
        counter.write_text("3500000")
    assert spent == [2.5]
