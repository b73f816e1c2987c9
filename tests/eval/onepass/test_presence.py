import numpy as np
import pytest

from eval.onepass.presence import (
    Absence,
    Told,
    absences,
    area_under_roc,
    called_lost,
    score_area,
    summary,
)

NAN = float("nan")


def told(present: str, overlaps: list[float], scores: list[float] | None = None) -> Told:
    """`present` a character a frame: P present, L lost."""
    return Told(
        scores=np.array(scores or [0.5] * len(overlaps)),
        present=np.array([letter == "P" for letter in present]),
        overlaps=np.array(overlaps),
    )


@pytest.mark.parametrize(
    "present, overlaps, expected",
    [
        pytest.param("PPP", [0.9, 0.9, 0.1], [], id="never away"),
        pytest.param(
            "PPLLLP", [0.9, NAN, NAN, NAN, 0.1, 0.9], [Absence(3, 1, 0, True, 1)], id="declared, found again"
        ),
        pytest.param(
            "PLPLPL",
            [0.9, NAN, NAN, NAN, NAN, NAN],
            [Absence(5, 0, 2, False, None)],
            id="twice taken for found",
        ),
        pytest.param("PPPP", [NAN, NAN, 0.4, 0.3], [Absence(2, None, 0, True, None)], id="never declared"),
        pytest.param("PLLL", [NAN, NAN, 0.9, 0.9], [Absence(2, 1, 0, True, None)], id="on it and not said"),
        pytest.param(
            "LPLP",
            [NAN, 0.9, NAN, 0.9],
            [Absence(1, 0, 0, True, 0), Absence(1, 0, 0, True, 0)],
            id="two absences of one frame",
        ),
    ],
)
def test_absences_by_hand(present, overlaps, expected):
    assert absences(told(present, overlaps)) == expected


def test_shares_called_lost():
    passes = [told("PLLLLP", [0.9, 0.9, 0.3, NAN, NAN, NAN])]
    assert called_lost(passes) == pytest.approx((1 / 2, 2 / 3))
    assert np.isnan(called_lost([told("P", [0.9])])[1])


def test_the_area_is_the_share_of_pairs_by_brute_force():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 20, 200) / 20, rng.integers(-3, 15, 150) / 20
    pairs = [(x > y) + 0.5 * (x == y) for x in a for y in b]
    assert area_under_roc(a, b) == pytest.approx(np.mean(pairs))


def test_the_score_is_judged_on_good_and_absent_frames():
    """Good .4 .8 against absent .5: one win of two; the drifted frame at .1 plays no part."""
    assert score_area([told("PPPP", [0.9, 0.9, NAN, 0.3], [0.4, 0.8, 0.5, 0.1])]) == pytest.approx(0.5)
    assert score_area([told("P", [0.9])]) is None


def test_a_summary_counts_returns_apart_from_videos_that_end():
    row = summary([told("PLLP", [0.9, NAN, 0.9, 0.9]), told("PPL", [0.9, NAN, NAN])])
    assert (row["absences"], row["declared"], row["median_to_declare"]) == (2, 2, 0.5)
    assert (row["returns"], row["recovered"], row["median_to_recover"]) == (1, 1, 1.0)
    assert row["false_recoveries"] == 0
