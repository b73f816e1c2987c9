"""How much a frame may cost: the grammar, and what holds it.

full         every stage
depth:K      always stop at depth K
0.2GMAC      multiply-accumulates per frame, in the mean
5ms 60fps 60% 5ms! auto   times: part of the grammar, not yet held by this version
None         the calibrated default; on the command line, no --budget at all
"""

import re
from dataclasses import dataclass
from typing import Protocol

from tracker.errors import BudgetError
from tracker.manifest import NEVER, Manifest, Thresholds

HELD = "full, depth:K, 0.2GMAC"
LATER = "5ms, 60fps, 60%, 5ms!, auto"
_NUMBER = r"(\d+\.?\d*|\.\d+)"
_TIMES = re.compile(rf"{_NUMBER}(ms!?|fps|%)|auto", re.IGNORECASE)
_MACS = re.compile(rf"{_NUMBER}GMAC", re.IGNORECASE)
_DEPTH = re.compile(r"depth:(\d+)", re.IGNORECASE)


class Policy(Protocol):
    """Thresholds for the next frame, and what the frame then did."""

    def taus(self) -> tuple[float, ...]:
        """D − 1 thresholds; stop at the first k with σ(gate_k) > τ_k."""
        ...

    def took(self, macs: int) -> None:
        """Note that the frame cost so many multiply-accumulates."""
        ...


@dataclass(frozen=True)
class Fixed:
    """The same thresholds for every frame."""

    thresholds: tuple[float, ...]

    def taus(self) -> tuple[float, ...]:
        return self.thresholds

    def took(self, macs: int) -> None:
        pass


class MeanMacs:
    """Moves along the calibrated table so that the running mean of MACs meets the budget.

    A frame may cost what keeps the mean of the last and the next HORIZON
    frames on the budget; of the table's rows that cost no more, the dearest
    is taken. It knows no clock: the same frames give the same depths.
    """

    HORIZON = 30

    def __init__(self, budget: float, manifest: Manifest) -> None:
        shallowest = (0.0,) * (manifest.depths - 1)
        least = manifest.macs(shallowest, 1)
        if budget < least:
            raise BudgetError(
                f"budget: got {budget / 1e9:g}GMAC, but depth 1 of {manifest.name} takes "
                f"{least / 1e9:.4f}GMAC; that is the least possible"
            )
        rows = [(row.tau, _mean_macs(row, manifest)) for row in manifest.table]
        self._rows = sorted([(shallowest, float(least)), *rows], key=lambda row: row[1])
        self._budget, self._debt = budget, 0.0

    def taus(self) -> tuple[float, ...]:
        allowed = self._budget - self._debt / self.HORIZON
        affordable = [tau for tau, cost in self._rows if cost <= allowed]
        return affordable[-1] if affordable else self._rows[0][0]

    def took(self, macs: int) -> None:
        self._debt = max(self._debt + macs - self._budget, -self.HORIZON * self._budget)


def _mean_macs(row: Thresholds, manifest: Manifest) -> float:
    return sum(share * manifest.macs(row.tau, k) for k, share in enumerate(row.share, start=1))


def parse_budget(text: str | None, manifest: Manifest) -> Policy:
    """Return the policy that a budget string asks for.

    Raises:
        BudgetError: not in the grammar, not yet supported, no such depth, or less than depth 1 costs.
    """
    if text is None:
        return Fixed(manifest.default_tau)
    wanted = text.strip()
    if wanted.lower() == "full":
        return Fixed((NEVER,) * (manifest.depths - 1))
    if match := _DEPTH.fullmatch(wanted):
        depth = int(match[1])
        if not 1 <= depth <= manifest.depths:
            raise BudgetError(f"budget: got {wanted}, but {manifest.name} has depths 1 to {manifest.depths}")
        return Fixed(tuple(0.0 if k >= depth else NEVER for k in range(1, manifest.depths)))
    if match := _MACS.fullmatch(wanted):
        return MeanMacs(float(match[1]) * 1e9, manifest)
    if _TIMES.fullmatch(wanted):
        raise BudgetError(f"budget: {wanted} is not yet held by this version; use one of {HELD}")
    raise BudgetError(
        f"budget: got {text!r}, expected one of {HELD} (not yet held: {LATER}); "
        "leave it out for the calibrated default"
    )
