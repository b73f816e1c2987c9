"""Decoding constants: priors of the field, moved only by a gain that holds across data sets.

Window .455, penalty .138 and size rate .348 are NanoTrack's. Constants tuned on one small set
for any gain lost .09 AUC on videos of other sets.
"""

from collections.abc import Callable
from dataclasses import replace

from tracker.manifest import DecodeConstants
from training.calibration.bootstrap import holds
from training.calibration.passes import Pass, averaged, by_source

PRIORS = DecodeConstants(window=0.455, penalty=0.138, size_rate=0.348)
ALTERNATIVES = {"window": (0.35, 0.55), "penalty": (0.06, 0.25), "size_rate": (0.2, 0.6)}

Measure = Callable[[DecodeConstants, str], list[Pass]]


def tuned(measure: Measure, say: Callable[[str], None]) -> DecodeConstants:
    """One constant after another takes the alternative of the largest gain that holds, if any does.

    Args:
        measure: passes at every depth with these constants; the text names the trial.
    """
    chosen = PRIORS
    aucs = by_source(measure(chosen, "decoding priors"), lambda p: p.auc)
    say(f"decoding priors: AUC {averaged(aucs):.4f} over all depths")
    for key, values in ALTERNATIVES.items():
        trials = []
        for value in values:
            trial = replace(chosen, **{key: value})
            found = by_source(measure(trial, f"{key} {value}"), lambda p: p.auc)
            gains = {source: found[source] - aucs[source] for source in aucs}
            kept = holds(gains)
            say(f"{key} {value}: gain {averaged(gains):+.4f}, which {'holds' if kept else 'does not hold'}")
            if kept:
                trials.append((float(averaged(gains)), trial, found))
        if trials:
            _, chosen, aucs = max(trials, key=lambda found: found[0])
    return chosen
