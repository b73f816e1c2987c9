from training.recipe.schema import Data, Phase, Recipe
from training.schedule.epoch import distinct_samples, with_epoch


def recipe(epoch_samples):
    return Recipe("test", "depthgate-s", Data("nowhere", epoch_samples), (Phase("exits", 8, 2, 1e-3),))


def test_an_epoch_is_annotated_frames_and_masked_objects(painted_store):
    # three annotated tracks of four frames, three stills; weak tracks and backgrounds do not count
    assert distinct_samples(painted_store) == 15


def test_two_targets_in_one_annotated_frame_are_one_frame(painted_store):
    painted_store.offset[1] = painted_store.offset[0]
    assert distinct_samples(painted_store) == 14


def test_what_the_recipe_states_stands(painted_store):
    assert with_epoch(recipe(None), painted_store).data.epoch_samples == 15
    assert with_epoch(recipe(99), painted_store).data.epoch_samples == 99
