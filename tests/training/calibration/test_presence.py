import numpy as np
import pytest

from training.calibration.presence import called_lost_at, presence, weighted_quantile

NAN = float("nan")


def test_limits_are_the_scores_below_which_few_good_frames_lie(a_pass):
    """100 good frames at 0.99 … 0.00: 2 lie below .02, 25 below .25; what overlaps less does not count."""
    good = [(i / 100, 0.8) for i in reversed(range(100))]
    found = presence([a_pass(rows=[*good, (0.0, 0.2), (0.0, 0.5)])])
    assert (found.lost, found.unsure, found.found, found.area) == (0.02, 0.05, 0.25, None)


def test_a_long_track_does_not_outweigh_a_short_one(a_pass):
    """Ten frames at .10 … .19 of one source weigh as much as a thousand of another: 5 % each."""
    short = a_pass(("a", "short"), rows=[(0.1 + i / 100, 0.9) for i in range(10)])
    long = a_pass(("a", "long"), rows=[(0.9, 0.9)] * 1000)
    found = presence([short, long])
    assert (found.lost, found.unsure) == (0.1, 0.11)


def test_absent_frames_give_the_area(a_pass):
    """Good .4 .6 .8 against absent .5 .6: 1 + 1 wins of .8, .6 beats .5 and ties, .4 loses: 3.5 of 6."""
    rows = [(0.4, 0.9), (0.6, 0.9), (0.8, 0.9), (0.5, NAN), (0.6, NAN), (0.1, 0.3)]
    assert presence([a_pass(rows=rows)]).area == pytest.approx(3.5 / 6)


def test_without_good_frames_every_score_is_believed(a_pass):
    found = presence([a_pass(rows=[(0.3, 0.1), (0.3, NAN)])])
    assert (found.unsure, found.lost, found.area) == (0.0, 0.0, None)


@pytest.mark.parametrize("share, expected", [(0.0, 1.0), (0.1, 1.0), (0.5, 2.0), (0.8, 3.0), (1.0, 3.0)])
def test_weighted_quantile_by_hand(share, expected):
    """Weights .5, .3, .2 at 1, 2, 3: below 2 lies .5, below 3 lies .8."""
    assert weighted_quantile(np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.3]), share) == expected


def test_lost_until_tracked_by_hand():
    said = called_lost_at(np.array([0.9, 0.3, 0.5, 0.1, 0.3, 0.5, 0.6, 0.5]), lost=0.2, unsure=0.6)
    assert said.tolist() == [False, False, False, True, True, True, False, False]


def test_frames_that_stay_lost_count_too(a_pass):
    """Six in a hundred between .2 and .3, each followed by nine at .5: with 5 % unsure at .5, a limit of
    LOST that two frames fall below would hold twenty."""
    rows = []
    for i in range(6):
        rows += [(0.2 + i / 100, 0.9)] + [(0.5 + i / 1000, 0.9)] * 9
    rows += [(0.9, 0.9)] * 40
    found = presence([a_pass(rows=rows)])
    said = called_lost_at(np.array([score for score, _ in rows]), found.lost, found.unsure)
    assert said.mean() <= 0.02
    quantile = weighted_quantile(np.array([score for score, _ in rows]), np.ones(100), 0.02)
    assert called_lost_at(np.array([score for score, _ in rows]), quantile, 0.6).mean() > 0.02
