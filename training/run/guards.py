"""Stop a run that has diverged before it spoils the weights, and say what to change."""

import math

from torch import nn

from tracker.errors import TrackerError

HOPELESS_NORM = 5e3
"""A thousand times what gradients are clipped to by default: an update so clipped is a direction
without a size; a run may begin so, but not stay so."""
PATIENCE = 50  # updates


class DivergedError(TrackerError):
    """The loss or its gradient is not finite any more, or out of all proportion."""


def check_loss(loss: float, phase: str, seen: int, lr: float, parts: dict[str, list[float]]) -> None:
    """Check that the loss is finite.

    Args:
        parts: of the loss by exit; they tell where it comes from.

    Raises:
        DivergedError: the loss is infinite or NaN.
    """
    if math.isfinite(loss):
        return
    culprits = [
        f"{name} of exit {k}"
        for name, values in parts.items()
        for k, v in enumerate(values, 1)
        if not math.isfinite(v)
    ]
    came = f" ({', '.join(culprits)})" if culprits else ""
    raise DivergedError(f"phase {phase}: the loss is {loss}{came} after {seen} samples; {_cure(phase, lr)}")


class GradientGuard:
    """Watches the norm of all gradients before they are clipped."""

    def __init__(self, module: nn.Module, phase: str) -> None:
        self._module, self._phase, self._hopeless = module, phase, 0

    def check(self, norm: float, seen: int, lr: float) -> None:
        """Check the norm of an update's gradient.

        Raises:
            DivergedError: not finite, or above HOPELESS_NORM in PATIENCE updates in a row.
        """
        self._hopeless = 0 if norm <= HOPELESS_NORM else self._hopeless + 1
        if math.isfinite(norm) and self._hopeless < PATIENCE:
            return
        if math.isfinite(norm):
            what = f"in {PATIENCE} updates in a row, expected at most {HOPELESS_NORM:g},"
        else:
            what = f"first in {self._first_fault()},"
        raise DivergedError(
            f"phase {self._phase}: the gradient's norm is {norm:g}, {what} after {seen} samples; "
            + _cure(self._phase, lr)
        )

    def _first_fault(self) -> str:
        for name, parameter in self._module.named_parameters():
            if parameter.grad is not None and not parameter.grad.isfinite().all():
                return name
        return "the sum of all"


def _cure(phase: str, lr: float) -> str:
    return (
        f"the rate was {lr:g}: lower phases.{phase}.lr or raise phases.{phase}.warmup_samples, "
        "in another folder (--run FOLDER)"
    )
