from pathlib import Path

import pytest
import yaml

from training.recipe import RecipeError, dump, load

RECIPES = sorted((Path(__file__).parents[2] / "training/recipes").glob("*.yaml"))
MINIMAL = """
purpose: test
network: depthgate-s
data: {root: data}
phases: [{name: exits, samples: 64, batch: 8, lr: 0.001}]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_shipped_recipes_are_legal_and_survive_a_round_trip(path, tmp_path):
    recipe = load(path)
    assert load(write(tmp_path, dump(recipe))) == recipe


def test_overrides_reach_scalars_and_named_phases(tmp_path):
    recipe = load(write(tmp_path, MINIMAL), ["seed=3", "phases.exits.samples=128"])
    assert (recipe.seed, recipe.phases[0].samples) == (3, 128)


@pytest.mark.parametrize(
    "change, says",
    [
        pytest.param({"sead": 1}, "did you mean 'seed'", id="unknown key, nearest named"),
        pytest.param({"seed": "seven"}, "seed got 'seven', expected int", id="wrong type"),
        pytest.param({"data": {}}, "data lacks the key 'root'", id="missing key"),
        pytest.param({"precision": "fp8"}, "'fp8'", id="impossible value"),
        pytest.param({"phases": []}, "phases is empty", id="no phase"),
        pytest.param(
            {"phases": [{"name": "exit", "samples": 1, "batch": 1, "lr": 1.0}]},
            "'exits'",
            id="phase misspelt",
        ),
        pytest.param(
            {"phases": [{"name": "exits", "samples": 0, "batch": 1, "lr": 1.0}]},
            "more than 0",
            id="no samples",
        ),
        pytest.param(
            {"phases": [{"name": "features", "samples": 1, "batch": 1, "lr": 1.0}]},
            "needs a teacher",
            id="no teacher",
        ),
    ],
)
def test_faults_are_named(tmp_path, change, says):
    tree = yaml.safe_load(MINIMAL) | change
    with pytest.raises(RecipeError, match=says):
        load(write(tmp_path, yaml.safe_dump(tree)))


@pytest.mark.parametrize("override", ["seed", "phases.gates.samples=1", "phases=1.x"])
def test_wrong_overrides_are_refused(tmp_path, override):
    with pytest.raises(RecipeError):
        load(write(tmp_path, MINIMAL), [override])


def test_a_missing_file_is_one_clear_line(tmp_path):
    with pytest.raises(RecipeError, match="none.yaml"):
        load(tmp_path / "none.yaml")
