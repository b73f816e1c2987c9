from dataclasses import asdict

import pytest

from tracker.manifest import DecodeConstants
from training.calibration.decoding import ALTERNATIVES, PRIORS, tuned


def a_measure(a_pass, auc):
    """Three data sets of four sources; `auc` gives one from the constants and the data set."""

    def measure(decode: DecodeConstants, text: str):
        return [a_pass((name, str(i)), auc(decode, name) + 0.01 * i) for name in "abc" for i in range(4)]

    return measure


def test_priors_are_those_of_the_design():
    assert asdict(PRIORS) == {"window": 0.455, "penalty": 0.138, "size_rate": 0.348}


def test_constants_without_effect_stay(a_pass):
    assert tuned(a_measure(a_pass, lambda decode, name: 0.5), lambda text: None) == PRIORS


def test_a_gain_on_one_data_set_moves_nothing(a_pass):
    def auc(decode, name):
        return 0.5 + (0.2 if name == "a" and decode != PRIORS else 0.0)

    assert tuned(a_measure(a_pass, auc), lambda text: None) == PRIORS


def test_the_largest_gain_that_holds_is_taken_and_the_next_constant_starts_there(a_pass):
    """Higher windows and lower penalties help everywhere; a size rate that is not the prior hurts."""

    def auc(decode, name):
        return 0.5 + decode.window / 10 - decode.penalty / 10 - (decode.size_rate != PRIORS.size_rate)

    found = tuned(a_measure(a_pass, auc), lambda text: None)
    assert found == DecodeConstants(
        window=max(ALTERNATIVES["window"]), penalty=min(ALTERNATIVES["penalty"]), size_rate=PRIORS.size_rate
    )


def test_what_was_tried_is_said(a_pass):
    said: list[str] = []
    tuned(a_measure(a_pass, lambda decode, name: 0.5), said.append)
    assert len(said) == 1 + sum(len(values) for values in ALTERNATIVES.values())
    assert said[1] == "window 0.35: gain +0.0000, which does not hold"


@pytest.mark.parametrize("key", ALTERNATIVES)
def test_alternatives_lie_on_both_sides_of_the_prior(key):
    low, high = ALTERNATIVES[key]
    assert low < getattr(PRIORS, key) < high
