import cv2
import pytest

import app
from training.explain import explain, rows
from training.recipe.schema import Data, Decay, Phase, Recipe

SMITH = """
purpose: Wide ResNet 16-4 on CIFAR-10, Smith et al. 2018
network: depthgate-s
data: {root: nowhere, epoch_samples: 50000}
phases:
  - name: exits
    epochs: 200
    batch: 128
    lr: 0.1
    optimiser: nesterov
    decay: {form: step, factor: 0.2, at_epochs: [60, 120, 160]}
"""


@pytest.fixture
def smith(tmp_path):
    path = tmp_path / "smith.yaml"
    path.write_text(SMITH)
    return path


@pytest.mark.parametrize(
    "overrides, updates",
    [
        pytest.param([], "78,125", id="decay"),
        pytest.param(["phases.exits.growth=true", "phases.exits.max_batch=5120"], "29,141", id="growth"),
    ],
)
def test_explain_prints_the_published_updates_and_draws(smith, overrides, updates, capsys, tmp_path):
    picture = tmp_path / "plan.png"
    assert app.main(["train", "--explain", str(smith), *overrides, "--out", str(picture)]) == 0
    said = capsys.readouterr().out
    assert f"{updates} updates, 10,000,000 samples, 200.00 epochs of 50,000" in said
    assert "389.6" in said  # 0.1 / (1 − 0.9) · (50000/128 − 1)
    assert cv2.imread(str(picture)).std() > 10


def test_the_plan_lies_beside_the_run_unless_told(smith, tmp_path):
    assert app.main(["train", "--explain", str(smith), "--run", str(tmp_path / "runs/a")]) == 0
    assert (tmp_path / "runs/a.plan.png").is_file() and not (tmp_path / "runs/a").exists()


@pytest.mark.parametrize("last", [False, True])
def test_overrides_may_stand_after_an_option(smith, last, capsys, tmp_path):
    words = ["--out", str(tmp_path / "plan.png")]
    words = (
        [*words, "seed=3", "phases.exits.batch=64"] if last else ["seed=3", *words, "phases.exits.batch=64"]
    )
    assert app.main(["train", "--explain", str(smith), *words]) == 0
    assert "156,250 updates" in capsys.readouterr().out


def test_noise_is_not_defined_under_lars(smith, capsys, tmp_path):
    out = ["--out", str(tmp_path / "plan.png")]
    assert app.main(["train", "--explain", str(smith), "phases.exits.optimiser=lars", *out]) == 0
    said = capsys.readouterr().out
    assert "not defined" in said and "389.6" not in said


@pytest.mark.parametrize(
    "flags, overrides, reason",
    [
        pytest.param(
            ["--explain"], ["data.epoch_samples=null"], "needs data.epoch_samples", id="epochs of what"
        ),
        pytest.param(["--explain"], ["phases.exits.micro_batch=50"], "multiple of 50", id="micro-batch"),
        pytest.param(
            ["--explain"],
            ["phases.exits.warmup_epochs=10", "phases.exits.scaling={rule: legw, base_batch: 4}"],
            "at most 80",
            id="legw beyond its limit",
        ),
        pytest.param(["--explain", "--processes", "3"], [], "multiple of 3", id="too many processes"),
        pytest.param(
            ["--explain", "--processes", "4"],
            ["distributed={norm_group: 3}"],
            "norm_group got 3, which does not divide 4 processes; expected one of 1, 2, 4",
            id="norms of three",
        ),
        pytest.param(["--explain", "--out", "x.pdf"], [], "got x.pdf, which is not the name", id="ending"),
        pytest.param(["--explain", "--out", "/tmp"], [], "name it .png", id="a folder for a picture"),
        pytest.param(
            ["--explain", "--out", "/dev/null/x.png"], [], "/dev/null cannot be a folder", id="no folder"
        ),
        pytest.param(["--out", "x.png"], [], "--explain", id="a picture of what"),
        pytest.param(["--processes", "2"], [], "--processes: goes with --explain", id="processes of what"),
    ],
)
def test_a_plan_that_cannot_be_held_is_one_line(smith, flags, overrides, reason, capsys):
    assert app.main(["train", *flags, str(smith), *overrides]) == 2
    said = capsys.readouterr().err
    assert said.count("depthgate: error:") == 1 and said.count("\n") == 1 and reason in said


@pytest.mark.parametrize(
    "decay, starts",
    [
        pytest.param(Decay("constant"), [0, 20, 90], id="constant: start, peak, end"),
        pytest.param(Decay("step", factor=0.5, at_samples=(50,)), [0, 20, 50, 90], id="step: and the step"),
        pytest.param(Decay("cosine"), [0, 20, 30, 40, 50, 70, 80, 90], id="cosine: and eighths"),
    ],
)
def test_rows_are_where_something_happens(decay, starts):
    phase = Phase("exits", samples=100, batch=10, lr=1.0, warmup_samples=20, decay=decay)
    (one,) = explain(Recipe("test", "depthgate-s", Data("nowhere", epoch_samples=100), (phase,)))
    assert [one.updates[i].start for i in rows(one)] == starts
