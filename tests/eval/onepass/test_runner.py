import cv2
import numpy as np
import pytest

from eval.data.layouts import write_got10k
from eval.data.sequences import read_boxes, read_frames, read_pack, read_sequences
from eval.onepass.runner import START_SHIFTS, run
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
    with pytest.raises(SourceError, match="11 frames for 12 boxes; is the video cut"):
        run(Follower(), frames[:-1], sequence)
    with pytest.raises(SourceError, match="12 frames for 7 boxes; is the annotation cut"):
        run(Follower(), frames, sequence.head(7))
    with pytest.raises(SourceError, match="visible in no frame"):
        run(Follower(), frames[:1], sequence.head(1))


def test_the_research_pack_can_be_read(data):
    sequences = read_pack(data / "video" / "dev")
    assert len(sequences) == 30
    assert sum(s.same_frames_as is None for s in sequences) == 27
    assert all(s.visible.any() for s in sequences)


@pytest.mark.parametrize(
    "text, reason",
    [
        pytest.param("1,2,3,4\n1,2,3\n", "row 2: got 3 numbers", id="short row"),
        pytest.param("1,1,2,3,4,1,-1,-1,-1,-1\n", "got 10 numbers", id="another format"),
        pytest.param("1,2,3,x\n", "got '1,2,3,x'", id="a word"),
    ],
)
def test_wrong_annotations_are_named(tmp_path, text, reason):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SourceError, match=reason):
        read_boxes(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "text, box",
    [
        pytest.param("10,20,30,40\n", (10, 20, 30, 40), id="commas"),
        pytest.param("10\t20\t30\t40\n", (10, 20, 30, 40), id="tabs, as OTB has them"),
        pytest.param("10 20.5 30 40\n", (10, 20.5, 30, 40), id="spaces"),
        pytest.param("10,20,40,20,40,60,10,60\n", (10, 20, 30, 40), id="corners, as VOT has them"),
        pytest.param("25,20,40,40,25,60,10,40\n", (10, 20, 30, 40), id="corners of a diamond"),
        pytest.param(",,,\n", (np.nan,) * 4, id="empty cells"),
    ],
)
def test_annotations_of_all_kinds_become_boxes(tmp_path, text, box):
    (tmp_path / "a.txt").write_text(text)
    assert read_boxes(tmp_path / "a.txt")[0].tolist() == pytest.approx(box, nan_ok=True)


def test_labels_of_another_length_are_named(pack, tmp_path):
    write_got10k(read_pack(pack), tmp_path)
    truth = tmp_path / "val" / "Painted_one" / "groundtruth.txt"
    truth.write_text("\n".join(truth.read_text().splitlines()[:7]) + "\n")
    with pytest.raises(SourceError, match="12 labels for 7 boxes"):
        read_sequences(tmp_path)


@pytest.mark.parametrize(
    "text, reason",
    [
        pytest.param("[]", "lists no sequence", id="empty"),
        pytest.param('[{"name": "a"}]', "lacks 'dataset'", id="a key is missing"),
        pytest.param('{"a": 1}', "of another kind", id="no list"),
        pytest.param("7", "of another kind", id="a number"),
    ],
)
def test_a_wrong_index_is_named(tmp_path, text, reason):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(SourceError, match=reason):
        read_pack(tmp_path)


@pytest.mark.parametrize("under", ["", "img", "color", "frames"])
def test_pictures_are_found_where_data_sets_put_them(tmp_path, under):
    place = tmp_path / "ball" / under
    place.mkdir(parents=True)
    for i in range(2):
        cv2.imwrite(str(place / f"{i}.png"), np.full((8, 8, 3), i, np.uint8))
    (tmp_path / "ball" / "groundtruth.txt").write_text("1,1,4,4\n" * 2)
    sequence = read_sequences(tmp_path)[0]
    assert len(list(read_frames(sequence.video))) == 2


def test_a_folder_that_is_no_pack(tmp_path):
    with pytest.raises(SourceError, match="index.json"):
        read_pack(tmp_path)
