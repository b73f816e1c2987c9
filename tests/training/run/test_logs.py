import json
import sys
import types

import pytest

from tracker.errors import SourceError
from training.recipe.errors import RecipeError
from training.run.logs import RunLog, read_log, split_log

PHASES = ["features", "exits", "gates"]


def line(phase, samples, **more):
    return {"phase": phase, "samples": samples, "loss": 1.0, **more}


def test_a_resumed_log_goes_on_at_the_checkpoint(tmp_path):
    written = [line("features", 9), line("exits", 3), line("exits", 6), line("gates", 1)]
    torn = json.dumps(line("exits", 9))[:20]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(w) + "\n" for w in written) + torn)
    with RunLog(tmp_path, PHASES, "exits", 3, tensorboard=False) as log:
        log.write(line("exits", 6, loss=2.0))
    assert read_log(tmp_path) == [line("features", 9), line("exits", 3), line("exits", 6, loss=2.0)]


def test_a_run_without_a_log_has_no_lines(tmp_path):
    assert read_log(tmp_path) == []


def test_validation_is_told_from_training_and_resumes_with_it(tmp_path):
    written = [
        line("exits", 3),
        {"phase": "exits", "samples": 3, "validation": {"loss": 2.0}},
        line("exits", 6),
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(w) + "\n" for w in written))
    RunLog(tmp_path, PHASES, "exits", 3, tensorboard=False)
    assert split_log(read_log(tmp_path)) == ([written[0]], [written[1]])


@pytest.mark.parametrize(
    "content, says",
    [
        pytest.param(b"\xff\xfe\x00", "no text in UTF-8; delete it", id="binary"),
        pytest.param(b'{"phase": "exits", "samples": 1}\n[1]\n', "line 2 is no line of a log", id="a list"),
        pytest.param(b'{"loss": 1}\n', "line 1 is no line of a log", id="of no phase"),
    ],
)
def test_a_damaged_log_is_named_with_its_cure(tmp_path, content, says):
    (tmp_path / "log.jsonl").write_bytes(content)
    with pytest.raises(SourceError, match=rf"log\.jsonl: .*{says}"):
        RunLog(tmp_path, PHASES, "exits", 3, tensorboard=False)


@pytest.fixture
def board(monkeypatch):
    """Records what a SummaryWriter would be given."""
    calls = []

    class Writer:
        def __init__(self, folder, purge_step):
            calls.append(("open", folder, purge_step))

        def add_scalar(self, tag, value, step):
            calls.append((tag, value, step))

        def close(self):
            calls.append("close")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return calls


@pytest.mark.parametrize("seen, purged", [(0, None), (7, 8)])
def test_tensorboard_gets_numbers_by_sample(board, tmp_path, seen, purged):
    with RunLog(tmp_path, PHASES, "exits", seen, tensorboard=True) as log:
        log.write(line("exits", 9, noise_scale=None, tracking=[0.5, 0.25]))
        log.write({"phase": "exits", "samples": 9, "validation": {"loss": 2.0, "tracking": [0.75]}})
    assert board == [
        ("open", str(tmp_path / "tensorboard" / "exits"), purged),
        ("loss", 1.0, 9),
        ("tracking/exit 1", 0.5, 9),
        ("tracking/exit 2", 0.25, 9),
        ("validation/loss", 2.0, 9),
        ("validation/tracking/exit 1", 0.75, 9),
        "close",
    ]


def test_tensorboard_that_is_not_installed_is_named_before_training(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(RecipeError, match="tensorboard=false"):
        RunLog(tmp_path, PHASES, "exits", 0, tensorboard=True)
