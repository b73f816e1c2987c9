from eval.contenders.base import Ours
from eval.data.sequences import read_frames, read_pack
from eval.speed.turns import time_in_turns
from tests.eval.conftest import Follower
from tracker import Tracker


def test_everyone_takes_turns_on_the_same_frames_and_the_first_round_is_warm_up(pack):
    sequence = read_pack(pack)[0]
    frames = list(read_frames(sequence.video))
    first, second = Follower(), Follower()
    timings = time_in_turns({"a": first, "b": second}, [(sequence, frames)], rounds=2)
    assert first.started == second.started == 3
    assert timings["a"].updates == 2 * 10
    assert 0 < timings["a"].p25 <= timings["a"].median <= timings["a"].p95


def test_a_timed_run_of_ours_counts_updates(pack):
    sequence = read_pack(pack)[0]
    frames = list(read_frames(sequence.video))
    timings = time_in_turns({"full": Ours(Tracker.load(), "full")}, [(sequence, frames)], rounds=1)
    assert timings["full"].updates == 10
