from pathlib import Path

import pytest
import yaml

from training.recipe.errors import RecipeError
from training.recipe.load import dump, load

RECIPES = sorted((Path(__file__).parents[3] / "training/recipes").glob("*.yaml"))
MINIMAL = """
purpose: test
network: depthgate-s
data: {root: data}
phases: [{name: exits, samples: 64, batch: 8, lr: 0.001}]
"""


EPOCHS = """
purpose: test
network: depthgate-s
data: {root: data, epoch_samples: 1000}
phases:
  - name: exits
    epochs: 2.5
    batch: 8
    lr: 0.001
    warmup_epochs: 0.0625
    decay: {form: step, factor: 0.5, at_epochs: [1, 1.5]}
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
        pytest.param({"phases": [{"name": "exits"}]}, "lacks the key 'samples'", id="missing key"),
        pytest.param({"data": {}}, "data got neither, expected exactly one", id="no data"),
        pytest.param({"data": {"root": "a", "images": "b"}}, "got root and images", id="two kinds of data"),
        pytest.param(
            {"phases": [{"name": "classify", "samples": 1, "batch": 1, "lr": 1.0}]},
            r"phase \(with data.root\) got 'classify', expected one of features, heads, exits, gates",
            id="packs have no classes",
        ),
        pytest.param(
            {"data": {"images": "b"}}, r"phase \(with data.images\) got 'exits'", id="pictures without boxes"
        ),
        pytest.param(
            {
                "data": {"images": "b", "resident": True},
                "phases": [{"name": "classify", "samples": 1, "batch": 1, "lr": 1.0}],
            },
            "data.resident says nothing to data.images",
            id="resident pictures without boxes",
        ),
        pytest.param({"data": {"root": "a", "composed": 1.5}}, "data.composed got 1.5", id="more than all"),
        pytest.param(
            {"data": {"root": "a", "composed": 0.5, "resident": True}},
            "data.composed does not go with data.resident",
            id="composed pairs are drawn by the CPU",
        ),
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


@pytest.mark.parametrize(
    "data, name, key, value",
    [
        ("images", "classify", "freeze_norm_from", 0.5),
        ("images", "classify", "cost_weight", 0.2),
        ("root", "exits", "label_smoothing", 0.1),
    ],
)
def test_a_key_of_the_other_kind_of_training_is_refused(tmp_path, data, name, key, value):
    phase = {"name": name, "samples": 64, "batch": 8, "lr": 0.001}
    tree = yaml.safe_load(MINIMAL) | {"data": {data: "a"}, "phases": [phase]}
    path = write(tmp_path, yaml.safe_dump(tree))
    load(write(tmp_path, dump(load(path))))
    with pytest.raises(RecipeError, match=rf"phases\.{name}\.{key} says nothing to data\.{data}"):
        load(path, [f"phases.{name}.{key}={value}"])


def test_epochs_become_samples_once(tmp_path):
    recipe = load(write(tmp_path, EPOCHS))
    phase = recipe.phases[0]
    assert (phase.samples, phase.warmup_samples, phase.decay.at_samples) == (2_500, 62, (1_000, 1_500))
    assert "epochs" not in dump(recipe)
    assert load(write(tmp_path, dump(recipe))) == recipe


@pytest.mark.parametrize(
    "overrides, says",
    [
        pytest.param(["data.epoch_samples=null"], r"epochs needs data\.epoch_samples", id="N not stated"),
        pytest.param(["phases.exits.samples=9"], "say the same", id="length in both units"),
        pytest.param(["phases.exits.epochs=many"], "'many', expected a number", id="no number"),
        pytest.param(
            ["phases.exits.decay.at_epochs=[2, 1]"], "rising numbers between 0 and 2500", id="order"
        ),
        pytest.param(
            ["phases.exits.decay.at_epochs=[1, 3]"], "rising numbers between 0", id="beyond the end"
        ),
        pytest.param(["phases.exits.decay.factor=5"], "less than 1", id="a decay that rises"),
        pytest.param(["phases.exits.decay.factor=null"], "lacks the key 'factor'", id="step of what"),
        pytest.param(["phases.exits.decay.power=2"], "says nothing to the form step", id="idle key"),
        pytest.param(["phases.exits.decay.form=stop"], "did you mean 'step'", id="form misspelt"),
        pytest.param(["phases.exits.optimiser=larz"], "did you mean 'lars'", id="optimiser misspelt"),
        pytest.param(["phases.exits.momentum=1"], "less than 1", id="momentum without end"),
        pytest.param(
            ["phases.exits.optimiser=nesterov", "phases.exits.momentum=0"],
            "take optimiser: sgd",
            id="nesterov",
        ),
        pytest.param(
            ["phases.exits.scaling={rule: lewg, base_batch: 8}"], "did you mean 'legw'", id="rule misspelt"
        ),
        pytest.param(
            ["phases.exits.scaling={rule: legw}"], "lacks the key 'base_batch'", id="scaled from what"
        ),
        pytest.param(["phases.exits.max_batch=64"], "set growth: true", id="ceiling of nothing"),
        pytest.param(["phases.exits.warmup_epochs=3"], "less than the phase's 2500", id="all warm-up"),
        pytest.param(
            ["phases.exits.growth=true", "phases.exits.max_batch=4"], "the batch 8 or more", id="no growth"
        ),
        pytest.param(["phases.exits.clip=0"], r"exits\.clip got 0", id="clipped to nothing"),
        pytest.param(
            ["phases.exits.label_smoothing=1"],
            r"smoothing got 1\.0, .*less than 1",
            id="targets without a class",
        ),
        pytest.param(["validate_epochs=0"], "validate_samples got 0", id="validation for ever"),
        pytest.param(["phases.exits.micro_batch=0"], "micro_batch got 0", id="empty micro-batches"),
        pytest.param(["phases.exits.raised={momentum: 1.0}"], "raised.momentum got 1.0", id="raised too far"),
        pytest.param(["checkpoint_samples=0"], "checkpoint_samples got 0", id="no checkpoints"),
        pytest.param(["distributed={norm_group: 0}"], "norm_group got 0", id="norms of nobody"),
        pytest.param(["distributed={all_reduce: tours}"], "did you mean 'torus'", id="all-reduce misspelt"),
        pytest.param(["distributed={gradients: fp8}"], "'fp8', expected one of full", id="gradients of what"),
    ],
)
def test_faults_of_a_schedule_are_named(tmp_path, overrides, says):
    with pytest.raises(RecipeError, match=says):
        load(write(tmp_path, EPOCHS), overrides)


@pytest.mark.parametrize(
    "override, says",
    [
        pytest.param("ema_decay=.nan", "ema_decay got nan, expected a finite number", id="nan"),
        pytest.param(
            "phases.exits.lr=-.inf", r"phases\.exits\.lr got -inf, expected a finite", id="infinite"
        ),
        pytest.param(f"weight_decay=1{400 * '0'}", "expected a finite", id="whole, beyond any float"),
        pytest.param("phases.exits.epochs=.nan", r"epochs got nan, expected a finite", id="epochs"),
        pytest.param("validate_epochs=.inf", "validate_epochs got inf", id="validation"),
        pytest.param("validate_epochs=1.0e+307", "too many samples", id="epochs that become infinite"),
        pytest.param("threads=100000", "threads got 100000, expected 1 to 1024", id="threads"),
        pytest.param("threads=0", "threads got 0", id="no threads"),
        pytest.param("seed=-1", "seed got -1, expected 0 to 9223372036854775807", id="seed"),
        pytest.param("seed=9223372036854775808", "expected 0 to", id="seed beyond 63 bits"),
        pytest.param("ema_decay=1", "ema_decay got 1.0", id="an average that stands still"),
        pytest.param(
            "weight_decay=-0.1", "weight_decay got -0.1, expected 0 or more", id="weights that grow"
        ),
        pytest.param("data.side=100000", "side got 100000, expected 1 to 4096", id="side"),
        pytest.param("phases.exits.freeze_norm_from=1.5", "got 1.5, expected 0 to 1", id="share"),
        pytest.param("phases.exits.cost_weight=-1", "cost_weight got -1.0", id="depth rewarded"),
        pytest.param(
            "phases.exits.epochs=1.0e+9", "expected at most 40000000, 5,000,000 updates", id="length"
        ),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, override, says):
    with pytest.raises(RecipeError, match=says):
        load(write(tmp_path, EPOCHS), [override])


def test_an_override_begins_a_section_that_the_recipe_leaves_out(tmp_path):
    given = ["distributed.norm_group=2", "phases.exits.decay.end=0.1", "phases.exits.scaling.rule=legw"]
    recipe = load(write(tmp_path, MINIMAL), [*given, "phases.exits.scaling.base_batch=4"])
    (phase,) = recipe.phases
    assert recipe.distributed.norm_group == 2
    assert (phase.decay.form, phase.decay.end) == ("cosine", 0.1)
    assert (phase.scaling.rule, phase.scaling.base_batch) == ("legw", 4)


@pytest.mark.parametrize("text, number", [("1e-3", 1e-3), ("2E2", 200.0), ("1.5e1", 15.0), (".5e-1", 0.05)])
def test_a_rate_may_be_written_as_elsewhere(tmp_path, text, number):
    assert load(write(tmp_path, MINIMAL), [f"phases.exits.lr={text}"]).phases[0].lr == number


@pytest.mark.parametrize(
    "override, says",
    [
        pytest.param("seed", "expected key=value", id="no value"),
        pytest.param("phases.exit.samples=1", "no 'exit'; did you mean 'exits'", id="no such phase"),
        pytest.param("phases=1.x", "phases got '1.x', expected a list", id="no phases"),
        pytest.param("phases.exits=1", "names no single value", id="a whole phase"),
        pytest.param("seed.x=1", "seed got {'x': 1}, expected int", id="no section"),
        pytest.param("network.x=1", "names no single value", id="within a value"),
        pytest.param("distribted.norm_group=2", "did you mean 'distributed'", id="section misspelt"),
        pytest.param("distributed.norm_grup=2", "did you mean 'norm_group'", id="key misspelt"),
        pytest.param("phases.exits.lr=[", r"override: got 'phases\.exits\.lr=\[': line 1", id="broken YAML"),
        pytest.param("phases.exits.lr=1e999", "lr got inf, expected a finite", id="too large to be written"),
        pytest.param("seed={a: 1, a: 2}", "the key 'a' stands twice", id="one key twice"),
        pytest.param("seed=2026-99-99", "month must be in 1..12", id="no date"),
    ],
)
def test_wrong_overrides_are_refused(tmp_path, override, says):
    with pytest.raises(RecipeError, match=says) as error:
        load(write(tmp_path, MINIMAL), [override])
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_clear_line(tmp_path):
    with pytest.raises(RecipeError, match="none.yaml"):
        load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "content, says",
    [
        pytest.param(b"\x89PNG\xff\xfe", "is no text in UTF-8", id="binary"),
        pytest.param(b"\x00\x01", "special characters are not allowed", id="control characters"),
        pytest.param(b"", "the recipe got None, expected keys and values", id="empty"),
        pytest.param(b"seed: 1\ndata: [\n", "recipe.yaml: line 3: ", id="syntax"),
        pytest.param(b"seed: 1\ndata: {root: a}\nseed: 2", "line 3: the key 'seed' stands twice", id="twice"),
        pytest.param(b"data: &a {root: *a}", "an anchor within itself", id="anchor within itself"),
        pytest.param(b"phases: &a [*a]", "an anchor within itself", id="list within itself"),
        pytest.param(b"seed: " + 9999 * b"[", "nests without an end", id="nested too deep"),
        pytest.param(b"seed: 2026-99-99", "month must be in 1..12", id="no date"),
        pytest.param(b"seed: " + 5000 * b"1", "Exceeds the limit", id="no number that Python reads"),
    ],
)
def test_a_damaged_file_is_one_clear_line(tmp_path, content, says):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=says) as error:
        load(path)
    assert "\n" not in str(error.value)


def test_an_anchor_may_be_used_elsewhere_and_changed(tmp_path):
    phases = (
        "phases: [{<<: &a {samples: 64, batch: 8, lr: 0.001}, name: exits}, {<<: *a, name: gates, lr: 0.1}]"
    )
    recipe = load(write(tmp_path, MINIMAL[: MINIMAL.index("phases")] + phases))
    assert [(p.name, p.samples, p.lr) for p in recipe.phases] == [("exits", 64, 0.001), ("gates", 64, 0.1)]
