import json
from pathlib import Path

import pytest

from training.recipe.errors import RecipeError
from training.recipe.load import load
from training.recipe.resume import refusal, write_recipe

DIGEST = "57b8"
TEXT = """
purpose: test
network: depthgate-s
data: {root: here, epoch_samples: 100}
phases:
  - {name: exits, samples: 50, batch: 2, lr: 1.0e-6, decay: {form: step, factor: 0.5, at_samples: [10, 20]}}
  - {name: gates, samples: 20, batch: 2, lr: 0.01}
"""


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def folder(file, tmp_path) -> Path:
    """A run that has a checkpoint."""
    path = tmp_path / "run"
    path.mkdir()
    write_recipe(load(file), path)
    (path / "environment.json").write_text(json.dumps({"data_digest": DIGEST}))
    (path / "checkpoint.pt").touch()
    return path


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param([], id="nothing"),
        pytest.param(["seed=0", "phases.gates.optimiser=adamw"], id="defaults said aloud"),
        pytest.param(["data.root=there"], id="data moved"),
        pytest.param(["threads=1", "checkpoint_samples=7", "tensorboard=true"], id="what moves no weight"),
    ],
)
def test_what_may_change(overrides, file, folder):
    assert refusal(load(file, overrides), folder, DIGEST) is None


@pytest.mark.parametrize(
    "overrides, says",
    [
        pytest.param(["seed=3"], "seed got 3, but the run in {} was begun with 0;", id="scalar"),
        pytest.param(["network=depthgate-n"], 'network got "depthgate-n",', id="text"),
        pytest.param(["phases.gates.lr=0.02"], "phases.gates.lr got 0.02,", id="of a phase"),
        pytest.param(["phases.gates.lr=0.02", "phases.exits.batch=5"], "phases.exits.batch got 5,", id="two"),
        pytest.param(["phases.exits.decay.at_samples=[10]"], "was begun with [10, 20];", id="list"),
        pytest.param(["threads=1", "data.epoch_samples=99"], "data.epoch_samples got 99,", id="N"),
        pytest.param(
            ["phases.gates.scaling={rule: legw, base_batch: 1}"], "was begun with null;", id="what was null"
        ),
    ],
)
def test_what_may_not(overrides, says, file, folder):
    said = refusal(load(file, overrides), folder, DIGEST)
    assert said is not None and says.format(folder) in said
    assert said.endswith("; take the old value, or another folder (--run FOLDER)")


def test_other_phases_are_named(file, folder):
    file.write_text("\n".join(line for line in TEXT.splitlines() if "gates" not in line))
    assert 'phases got ["exits"], but' in str(refusal(load(file), folder, DIGEST))


def test_other_data_under_the_same_name_are_refused(file, folder):
    said = refusal(load(file), folder, "57b9")
    assert said is not None and "data got others (digest 57b9) than the run" in said and "(57b8)" in said


def test_without_a_checkpoint_everything_may_change(file, folder):
    (folder / "checkpoint.pt").unlink()
    assert refusal(load(file, ["seed=3"]), folder, DIGEST) is None


def test_a_run_of_another_version_is_named(file, folder):
    (folder / "recipe.yaml").write_text(TEXT + "sede: 3\n")
    with pytest.raises(RecipeError, match=r"run .*unknown key 'sede'.* another folder"):
        refusal(load(file), folder, DIGEST)
