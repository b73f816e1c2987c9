import pytest
import torch

from tracker.errors import ModelError
from training.run import checkpoint

WHOLE = {"bf16": False, "phase": 0, "seen": 8, "updates": 1, "network": {}, "average": {}, "optimizer": {}}


def test_what_was_saved_is_loaded(tmp_path):
    checkpoint.save(tmp_path / "checkpoint.pt", WHOLE)
    assert checkpoint.load(tmp_path / "checkpoint.pt") == WHOLE


@pytest.mark.parametrize("content", [b"", b"junk", b"\x80\x02junk", b"PK\x03\x04junk"])
def test_junk_is_named_with_its_cure(tmp_path, content):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"checkpoint\.pt: cannot be read \(\w+\); delete it to start anew"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "state, says",
    [
        pytest.param([1], "no dictionary but list", id="a list"),
        pytest.param({"weights": torch.zeros(1)}, "bf16, phase, seen, updates, network", id="plain weights"),
        pytest.param(WHOLE | {"seen": "8"}, "seen missing or of a wrong type", id="of a wrong type"),
    ],
)
def test_another_structure_is_named_with_its_cure(tmp_path, state, says):
    path = tmp_path / "checkpoint.pt"
    torch.save(state, path)
    with pytest.raises(ModelError, match=rf"checkpoint\.pt: .*{says}.*; delete it"):
        checkpoint.load(path)
