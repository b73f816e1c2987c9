"""Stop here, or go deeper?"""

import math

from tracker.engine import StageOutput


def stop_probability(output: StageOutput) -> float:
    """σ of the gate's logit for one target (N = 1); 1 at the last depth, where there is no gate."""
    if output.gate is None:
        return 1.0
    return 1.0 / (1.0 + math.exp(-float(output.gate[0, 0])))


def stops(output: StageOutput, tau: float) -> bool:
    """True when σ(gate) > τ, or nothing lies deeper. The gate, not its stick-breaking share."""
    return output.gate is None or stop_probability(output) > tau
