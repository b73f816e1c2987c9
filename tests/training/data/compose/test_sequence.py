from dataclasses import replace

import cv2
import numpy as np
import pytest

import training.data.compose.scene as scene_room
from training.data.compose.look import Look, degrade
from training.data.compose.render import render
from training.data.compose.sequence import IDENTITY, ComposedSequence

FRAMES = 60
CLEAR = Look(np.ones((FRAMES, 3)), np.zeros(FRAMES), shutter=0, soft=0, noise=0, quality=None)


@pytest.fixture
def alone(monkeypatch):
    """Nothing but the target moves, and it stays."""
    for name in ("LOOK_ALIKES", "STRANGERS", "COVERS", "EXITS"):
        monkeypatch.setattr(scene_room, name, (1.0,))


@pytest.fixture
def crowded(monkeypatch):
    monkeypatch.setattr(scene_room, "COVERS", (0.0, 0.0, 0.0, 1.0))
    monkeypatch.setattr(scene_room, "EXITS", (0.0, 1.0))


def canvas(scene, t, size, margin=0):
    view = IDENTITY + np.array([[0, 0, margin], [0, 0, margin]])
    return render(scene, t, view, (size[0] + 2 * margin, size[1] + 2 * margin))


def painted(scene, *, covered=True):
    """Only the target shows, white; what is in front of it is black."""

    def flat(layer, level):
        picture = layer.picture.copy()
        picture[..., :3] = np.minimum(picture[..., 3:], level)
        return replace(layer, picture=picture)

    front = tuple(flat(layer, 0) for layer in scene.front) if covered else ()
    ground = np.zeros_like(scene.background)
    return replace(
        scene,
        background=ground,
        behind=(),
        target=flat(scene.target, 255),
        front=front,
        shadows=(),
        look=CLEAR,
    )


def test_a_frame_depends_on_seed_index_and_time_alone(library):
    one, again = (ComposedSequence(library, 3, 5, FRAMES) for _ in range(2))
    later = again.frame(40)
    assert np.array_equal(again.frame(7), one.frame(7)) and np.array_equal(later, one.frame(40))
    assert np.array_equal(one.boxes, again.boxes, equal_nan=True)
    for other in (ComposedSequence(library, 3, 6, FRAMES), ComposedSequence(library, 4, 5, FRAMES)):
        assert not np.array_equal(other.boxes, one.boxes, equal_nan=True)


def test_iterating_gives_every_frame(library):
    sequence = ComposedSequence(library, 3, 0, 4)
    frames = list(sequence)
    assert len(frames) == len(sequence) == 4
    assert all(frame.shape == (sequence.size[1], sequence.size[0], 3) for frame in frames)


def test_the_box_is_where_the_targets_pixels_are(library, alone):
    errors = []
    for index in range(12):
        sequence = ComposedSequence(library, 1, index, FRAMES)
        scene = painted(sequence.scene)
        for t in range(0, FRAMES, 7):
            white = canvas(scene, t, sequence.size)[..., 0] >= 128
            rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
            seen = columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]
            errors.append(sequence.boxes[t] - seen)
    assert np.abs(errors).max() < 3 and np.abs(errors).mean() < 0.8


def test_the_visible_share_counts_pixels_covered_and_outside(library, crowded):
    shares = []
    for index in range(5):
        sequence = ComposedSequence(library, 1, index, FRAMES)
        scene = sequence.scene
        for t in range(0, FRAMES, 9):
            whole = canvas(painted(scene, covered=False), t, sequence.size, margin=250)
            seen = canvas(painted(scene), t, sequence.size)
            share = (seen >= 128).sum() / max(1, (whole >= 128).sum())
            assert sequence.visible[t] == pytest.approx(share, abs=0.12)
            shares.append(share)
    assert (
        min(shares) < 0.1 and max(shares) == 1 and ((np.array(shares) > 0.2) & (np.array(shares) < 0.8)).any()
    )


def test_it_is_absent_below_a_tenth_and_then_has_no_box(library, crowded):
    gone = 0
    for index in range(10):
        sequence = ComposedSequence(library, 2, index, FRAMES)
        assert np.array_equal(sequence.absent, sequence.visible < 0.1)
        assert np.array_equal(np.isnan(sequence.boxes).all(1), sequence.absent)
        boxes = sequence.boxes[~sequence.absent]
        assert (boxes >= 0).all() and (boxes[:, :2] + boxes[:, 2:] <= np.array(sequence.size) + 1e-9).all()
        assert sequence.visible[0] >= 0.75
        gone += sequence.absent.sum()
    assert gone > 20


def test_a_view_shows_what_the_frame_shows(library):
    for index in range(4):
        sequence = ComposedSequence(library, 6, index, FRAMES)
        scene = replace(sequence.scene, look=replace(CLEAR, gain=sequence.scene.look.gain))
        frame = canvas(scene, 20, sequence.size)
        part = render(scene, 20, np.array([[1.0, 0, -60], [0, 1, -30]]), (128, 100))
        assert np.abs(part.astype(int) - frame[30:130, 60:188]).mean() < 0.5
        double = render(
            scene, 20, np.array([[0.5, 0, 0], [0, 0.5, 0]]), (sequence.size[0] // 2, sequence.size[1] // 2)
        )
        shrunk = cv2.resize(frame, double.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(double.astype(int) - shrunk).mean() < 3


def test_a_fast_target_smears_along_its_way(library, alone):
    """Blur keeps the sum of what it spreads, and lowers the peak across a step."""
    sequence = ComposedSequence(library, 1, 2, FRAMES)
    scene = painted(sequence.scene)
    way = np.zeros_like(scene.target.to_frame)
    way[:, 0, 2] = np.arange(FRAMES) * 20.0 - 400
    still = replace(scene.target, to_frame=np.repeat(scene.target.to_frame[30:31], FRAMES, 0))
    moving = replace(scene.target, to_frame=still.to_frame + way - way[30])
    sharp = canvas(replace(scene, target=still), 30, sequence.size).astype(float)
    open_half = replace(scene, target=moving, look=replace(CLEAR, shutter=0.5))
    smeared = canvas(open_half, 30, sequence.size).astype(float)
    assert np.abs(np.diff(smeared, axis=1)).max() < 0.4 * np.abs(np.diff(sharp, axis=1)).max()
    assert smeared.sum() == pytest.approx(sharp.sum(), rel=0.03)


def test_noise_has_the_deviation_it_is_told():
    grey = np.full((200, 200, 3), 120, np.uint8)
    noisy = degrade(grey, replace(CLEAR, noise=6.0), np.random.default_rng(0)).astype(float)
    assert noisy.mean() == pytest.approx(120, abs=0.3) and noisy.std() == pytest.approx(6, rel=0.05)
    assert (grey == 120).all()


def test_source_names_the_pictures(library):
    sequence = ComposedSequence(library, 1, 0, FRAMES)
    assert sequence.source[0].startswith("masked/") and sequence.label in ("cup", "ball")
