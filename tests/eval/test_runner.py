import numpy as np
import pytest

from eval.runner import START_SHIFTS, run
from eval.sequences import read_boxes, read_frames, read_pack
from tests.eval.conftest import Follower
from tracker import SourceError


@pytest.fixture
def sequence(pack):
    return read_pack(pack)[0]


def test_it_starts_at_the_first_visible_frame(sequence):
    done = run(Follower(), list(read_frames(sequence.video)), sequence)
    assert done.first == 1
    assert len(done.boxes) == len(done.depths) == len(done.scores) == 11
    assert len(done.seconds) == 10
    assert done.depths.tolist() == [0] + [2, 1] * 5
    assert np.isnan(done.scores[0]) and done.scores[1] == 0.5


def test_a_perfect_follower_is_perfect_and_absent_frames_do_not_count(sequence):
    done = run(Follower(), list(read_frames(sequence.video)), sequence)
    assert done.accuracy(sequence).ao == 1.0
    assert done.accuracy(sequence).frames == 10


def test_the_error_of_a_follower_by_hand(sequence):
    """Ten pixels aside of thirty: IoU 20/40 in nine frames, 1 in the first."""
    done = run(Follower(10), list(read_frames(sequence.video)), sequence)
    assert done.accuracy(sequence).ao == pytest.approx((1 + 9 * 0.5) / 10)


def test_a_shifted_start_moves_by_shares_of_the_box(sequence):
    done = run(Follower(), list(read_frames(sequence.video)), sequence, START_SHIFTS[1])
    x, y, w, h = sequence.boxes[1]
    assert done.boxes[0].tolist() == [x + 0.04 * w, y - 0.04 * h, w, h]


def test_too_few_frames_and_nothing_visible_are_named(sequence):
    frames = list(read_frames(sequence.video))
    with pytest.raises(ValueError, match="11 frames for 12 boxes"):
        run(Follower(), frames[:-1], sequence)
    with pytest.raises(ValueError, match="visible in no frame"):
        run(Follower(), frames, sequence.head(1))


def test_the_research_pack_can_be_read(data):
    sequences = read_pack(data / "video" / "dev")
    assert len(sequences) == 30
    assert sum(s.same_frames_as is None for s in sequences) == 27
    assert all(s.visible.any() for s in sequences)


@pytest.mark.parametrize(
    "text, reason",
    [
        pytest.param("1,2,3\n", "fewer than four", id="short row"),
        pytest.param("1,2,3,x\n", "could not convert", id="a word"),
    ],
)
def test_wrong_annotations_are_named(tmp_path, text, reason):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SourceError, match=reason):
        read_boxes(tmp_path / "a.csv")


def test_a_folder_that_is_no_pack(tmp_path):
    with pytest.raises(SourceError, match="index.json"):
        read_pack(tmp_path)
