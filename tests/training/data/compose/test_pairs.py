import math
from dataclasses import replace

import numpy as np
import pytest

import training.data.compose.pairs as room
from tracker.crop import Window, cut
from training.data.compose.look import Look
from training.data.compose.pairs import FRAMES, ComposedPairs, draw_window, has_company, share_inside
from training.data.compose.render import render
from training.data.feed import feed, joined
from training.data.store import mean_colour

CLEAR = Look(np.ones((FRAMES, 3)), np.zeros(FRAMES), shutter=0, soft=0, noise=0, quality=None)


@pytest.fixture
def pairs(library) -> ComposedPairs:
    return ComposedPairs(library, 7, "exits")


def same(one, two):
    return all(
        np.array_equal(getattr(one, name)[side], getattr(two, name)[side])
        for name, side in (("search", 128), ("search", 256), ("template", 64), ("template", 128))
    )


def test_a_sample_depends_on_seed_phase_and_index_alone(library, pairs):
    batch = pairs.batch(10, 3)
    again = ComposedPairs(library, 7, "exits").sample(12)
    assert np.array_equal(batch.search[256][2], again.search[256])
    assert np.array_equal(batch.boxes[2], np.float32(again.box)) and batch.present[2] == again.present
    for other in (ComposedPairs(library, 7, "gates"), ComposedPairs(library, 8, "exits")):
        assert not same(other.sample(12), again)


def test_a_batch_is_what_the_feed_and_the_losses_expect(pairs):
    whole = joined(list(feed(pairs, [(0, 4), (4, 3)], workers=2)))
    assert {side: crop.shape for side, crop in whole.search.items()} == {
        128: (7, 128, 128, 3),
        256: (7, 256, 256, 3),
    }
    assert {side: crop.dtype for side, crop in whole.template.items()} == {64: np.uint8, 128: np.uint8}
    assert whole.boxes.dtype == np.float32 and whole.present.dtype == bool
    assert same(whole, pairs.batch(0, 7))
    assert len(pairs.batch(5, 0).boxes) == 0


def test_crops_are_what_the_tracker_would_cut_from_the_frame(pairs):
    """The whole frame drawn, and cut by the tracker's own function."""
    worst = []
    for index in range(12):
        pair = pairs.draw(index)
        scene = replace(pair.sequence.scene, look=CLEAR)
        frame = render(scene, pair.search_time, np.eye(2, 3), scene.size)
        window = pair.search.window
        px = min(window.side, 256)
        ours = draw_window(scene, pair.search_time, window, px)
        theirs = cut(frame, window, px, mean_colour(frame))
        worst.append(np.abs(ours.astype(int) - theirs).mean())
    assert max(worst) < 5 and np.mean(worst) < 2


def test_outside_the_frame_is_its_mean_colour(pairs):
    scene = replace(pairs.draw(0).sequence.scene, look=CLEAR)
    width, height = scene.size
    mean = mean_colour(render(scene, 5, np.eye(2, 3), scene.size))
    image = draw_window(scene, 5, Window(width - 50, height - 30, 100), 100)
    assert image[31:].reshape(-1, 3).std(0).max() == 0
    assert image[80, 80] == pytest.approx(mean, abs=2)
    assert image[:30, :50].std() > 1


def test_the_box_leads_back_to_the_one_in_the_frame(pairs):
    seen = 0
    for index in range(60):
        pair, sample = pairs.draw(index), None
        if not pair.search.present:
            continue
        left, top, right, bottom = pair.search.box
        zoom = pair.search.window.side / 256
        x, y = pair.search.window.x0 + left * zoom, pair.search.window.y0 + top * zoom
        box = (x, y, (right - left) * zoom, (bottom - top) * zoom)
        assert box == pytest.approx(tuple(pair.sequence.boxes[pair.search_time]))
        sample = pair.sample()
        mirrored = (256 - right, top, 256 - left, bottom)
        assert sample.box == (mirrored if pair.flip else pair.search.box)
        assert pair.sequence.visible[pair.template_time] >= 0.6
        seen += 1
    assert seen > 30


def test_present_means_in_view_and_in_the_scene(pairs):
    kinds = set()
    for index in range(150):
        pair = pairs.draw(index)
        box, t = pair.sequence.boxes[pair.search_time], pair.search_time
        if pair.search.present:
            assert share_inside(box, pair.search.window) >= 0.5 and not pair.sequence.absent[t]
        else:
            gone = pair.search.kind == "removed" or pair.sequence.absent[t]
            assert gone or share_inside(box, pair.search.window) <= 0.05
            item = pair.sequence.scene.target.item
            assert all(layer.item != item for layer in (*pair.scene.behind, *pair.scene.front))
            assert not pair.scene.target.shown.any()
        assert np.isfinite(pair.search.box).all()
        kinds.add(pair.search.kind)
    assert kinds >= {"tracked", "lagging", "drifted", "absent"}


def test_a_removed_target_leaves_the_rest(pairs, monkeypatch):
    kept = pairs.draw(3)
    monkeypatch.setattr(room, "REMOVED_SHARE", 1.0)
    removed = pairs.draw(3)
    assert kept.search.present and not removed.search.present
    (left, top, right, bottom), side = kept.search.box, kept.search.window.side
    one, two = (
        draw_window(p.scene, p.search_time, p.search.window, 256).astype(int) for p in (kept, removed)
    )
    changed = np.abs(one - two).max(2) > 8
    assert changed[round(top) : round(bottom), round(left) : round(right)].mean() > 0.3
    assert side > 0 and changed.mean() < 0.5


def test_gaps_span_the_sequence_in_both_directions(pairs):
    gaps = np.array([p.search_time - p.template_time for p in map(pairs.draw, range(150))])
    assert (gaps > 20).any() and (gaps < -20).any() and np.abs(gaps).max() < FRAMES
    assert (np.abs(gaps) <= 3).mean() > 0.15, "near frames are as common as far ones"


def test_company_is_another_middle_within_two_extents(pairs):
    """Told apart by brute force, frame by frame."""
    found = []
    for index in range(12):
        sequence = pairs.draw(index).sequence
        scene, near = sequence.scene, has_company(sequence)
        for t in range(0, FRAMES, 9):
            if sequence.absent[t]:
                assert not near[t]
                continue
            x, y, w, h = sequence.boxes[t]
            limit = 2 * math.sqrt(w * h)

            def middle(layer, t=t):
                corner = layer.to_frame[t] @ (0, 0, 1), layer.to_frame[t] @ (*layer.picture.shape[1::-1], 1)
                return (corner[0] + corner[1]) / 2

            others = [middle(layer) for layer in (*scene.behind, *scene.front)]
            inside = [m for m in others if 0 < m[0] < scene.size[0] and 0 < m[1] < scene.size[1]]
            expected = any(math.dist(m, middle(scene.target)) < limit for m in inside)
            assert near[t] == expected
            found.append(expected)
    assert 0.05 < np.mean(found) < 0.95


@pytest.mark.parametrize(
    "box, share",
    [((0, 0, 10, 10), 1.0), ((-5, 0, 10, 10), 0.5), ((95, 95, 10, 10), 0.25), ((200, 0, 10, 10), 0.0)],
)
def test_share_of_a_box_in_a_window(box, share):
    assert share_inside(np.array(box, float), Window(0, 0, 100)) == pytest.approx(share)
