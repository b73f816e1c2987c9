import json
import shutil

import numpy as np
import pytest

from training.calibration.passes import averaged, by_source, mean_auc, read_held_out


def test_data_sets_count_alike_however_many_tracks_they_have(a_pass):
    """One: videos at .2 (two tracks) and .6; two: .9. Mean of .4 and .9, not of four tracks."""
    passes = [
        a_pass(("one", "a"), 0.1),
        a_pass(("one", "a"), 0.3),
        a_pass(("one", "b"), 0.6),
        a_pass(("two", "a"), 0.9),
    ]
    assert by_source(passes, lambda p: p.auc) == pytest.approx(
        {("one", "a"): 0.2, ("one", "b"): 0.6, ("two", "a"): 0.9}
    )
    assert mean_auc(passes) == pytest.approx(0.65)


def test_vectors_are_averaged_by_component():
    found = averaged({("one", "a"): np.array([1.0, 0.0]), ("two", "a"): np.array([0.0, 0.5])})
    assert found == pytest.approx([0.5, 0.25])


def test_repeated_and_very_short_clips_are_left_out(tmp_path):
    def pack(name, *entries):
        folder = tmp_path / name
        (folder / "set").mkdir(parents=True)
        index = []
        for clip, frames, twin in entries:
            (folder / "set" / f"{clip}.csv").write_text("1,2,3,4\n" * frames)
            index.append(
                {
                    "dataset": "set",
                    "name": clip,
                    "path": f"set/{clip}.mp4",
                    "csv": [f"set/{clip}.csv"],
                    "source_video": clip,
                    "same_frames_as": twin,
                }
            )
        (folder / "index.json").write_text(json.dumps(index))
        return folder

    first = pack("first", ("long", 6, None), ("five", 5, None), ("twin", 9, "set/long"))
    second = pack("second", ("other", 7, None))
    assert [s.name for s in read_held_out([first, second])] == ["set/long", "set/other"]


def test_a_track_through_a_video(data, tmp_path):
    """The shipped tracker on a real clip: a row a frame after the first, every gate of full depth heard."""
    from dataclasses import replace

    from rich.console import Console

    from tracker.manifest import load_manifest
    from tracker.zoo import find
    from training.calibration.passes import HeldOut

    folder = shutil.copytree(find("default"), tmp_path / "copy.test")
    manifest = load_manifest(folder)
    sequence = next(s for s in read_held_out([data / "video" / "val"]) if s.name == "FODA/Tape_030479")
    held_out = HeldOut(folder, [sequence], 2, Console(quiet=True))
    gated = manifest.depths - 1
    passes = held_out.passes(replace(manifest, default_tau=(1 - 1e-9,) * gated), "")
    assert len(passes) == 2 and {p.source for p in passes} == {("FODA", "FODA/Tape_030479")}
    for p in passes:
        assert p.gates.shape == (len(sequence.boxes) - 1, gated)
        assert len(p.scores) == len(p.overlaps) == len(p.present) == len(sequence.boxes) - 1
        assert set(p.depths) == {manifest.depths}
