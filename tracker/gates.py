"""Decide whether a frame stops here or goes deeper."""

import math

from tracker.engine import StageOutput
from tracker.manifest import ALWAYS


def stop_probability(output: StageOutput) -> float:
    """σ of the gate's logit for one target (N = 1); 1 at the last depth, where there is no gate."""
    if output.gate is None:
        return 1.0
    return 0.5 + 0.5 * math.tanh(0.5 * float(output.gate[0, 0]))


def stops(output: StageOutput, tau: float) -> bool:
    """Return whether to stop: σ(gate), not its stick-breaking share, is above τ, or τ says always."""
    return output.gate is None or tau <= ALWAYS or stop_probability(output) > tau
