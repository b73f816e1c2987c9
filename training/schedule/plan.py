"""Learning rate, batch and momentum as pure functions of the samples seen.

rate = peak × decay, after a linear warm-up; the peak comes from a scaling
rule, and with growth the batch rises where the rate would fall. Continuous
decays run from the end of the warm-up to the end of the phase. A step is
taken by the update that has most of its samples behind it, so a batch that
does not divide the distance neither gains nor loses an update.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from training.recipe.errors import RecipeError
from training.recipe.schema import Decay, Phase
from training.schedule.batch_growth import ceiling, grow, noise_scale, raise_start
from training.schedule.scaling import scale

WITHOUT_NOISE_SCALE = ("lars", "lars_apply", "lamb")
"""Their rate is a different one in every layer."""


@dataclass(frozen=True)
class StepPlan:
    """One update: learning rate, samples over all processes, momentum (β₁ of Adam)."""

    lr: float
    batch: int
    momentum: float


@dataclass(frozen=True)
class Update:
    """Samples start … start + count − 1 and how they are used; only the last update may be short."""

    start: int
    count: int
    step: StepPlan


def exponential(samples: float, factor: float, every: float) -> float:
    """factor^(samples/every)."""
    return float(factor ** (samples / every))


def polynomial(done: float, power: float, end: float = 0.0) -> float:
    """(1 − done)^power, from 1 to `end`; done in [0, 1]."""
    return float(end + (1 - end) * (1 - done) ** power)


def cosine(done: float, end: float = 0.0) -> float:
    """Half a cosine from 1 to `end`, done in [0, 1] (Loshchilov & Hutter 2017, arXiv 1608.03983)."""
    return end + (1 - end) * (0.5 * (1 + math.cos(math.pi * done)))


def warm_up(lr: float, seen: int, warmup: int, batch: int) -> float:
    """Linear rise; the update that starts at `seen` = warmup would have `lr`."""
    return lr * (seen + batch) / (warmup + batch)


@dataclass(frozen=True)
class Plan:
    """A phase's schedule: `plan(samples)` is the update that starts after `samples`.

    Attributes:
        samples: length of the phase.
        lr, batch, momentum: at the peak, before any decay; batch over all processes.
        warmup_samples: rising part.
        decay: the form after it.
        limit: ceiling of the growing batch; None: the batch stays, the rate falls.
        unit: processes × micro-batch; batches are multiples of it.
    """

    samples: int
    lr: float
    batch: int
    momentum: float
    warmup_samples: int
    decay: Decay
    limit: int | None
    unit: int

    def __call__(self, samples: int) -> StepPlan:
        if samples < self.warmup_samples:
            lr = warm_up(self.lr, samples, self.warmup_samples, self.batch)
            return StepPlan(lr, self.batch, self.momentum)
        return self._after(self._factor(samples))

    def _factor(self, samples: int) -> float:
        decay, since = self.decay, samples - self.warmup_samples
        done = min(1.0, since / max(1, self.samples - self.warmup_samples))
        if decay.form == "step":
            return self._stepped(samples)
        if decay.form == "exponential":
            assert decay.factor is not None and decay.every_samples is not None
            return exponential(since, decay.factor, decay.every_samples)
        if decay.form == "polynomial":
            assert decay.power is not None
            return polynomial(done, decay.power, decay.end or 0.0)
        return cosine(done, decay.end or 0.0) if decay.form == "cosine" else 1.0

    def _stepped(self, samples: int) -> float:
        assert self.decay.at_samples is not None and self.decay.factor is not None
        factor = 1.0
        for at in self.decay.at_samples:
            if samples + self._after(factor).batch / 2 < at:
                break
            factor *= self.decay.factor
        return factor

    def _after(self, factor: float) -> StepPlan:
        if self.limit is None:
            return StepPlan(self.lr * factor, self.batch, self.momentum)
        return StepPlan(*grow(self.lr, self.batch, factor, self.limit, self.unit), self.momentum)


def make_plan(phase: Phase, epoch_samples: int, processes: int = 1, norm_group: int = 1) -> Plan:
    """Make the plan of a phase.

    Args:
        epoch_samples: N; its tenth is the ceiling of growth unless the phase states one.
        processes: among which every batch is divided.
        norm_group: consecutive processes that share a batch norm's moments.

    Raises:
        RecipeError: the batch is no multiple of processes × micro-batch, the warm-up does not fit, or
            a gate or classifier would have to take the moments of a single sample.
    """
    unit = processes * (phase.micro_batch or 1)
    if phase.batch % unit:
        low = max(unit, phase.batch // unit * unit)
        raise RecipeError(
            f"recipe: phases.{phase.name}.batch got {phase.batch}, expected a multiple of {unit} "
            f"({processes} processes × micro_batch {phase.micro_batch or 1}), for example {low}"
        )
    lr, warmup, batch, momentum = phase.lr, float(phase.warmup_samples), phase.batch, phase.momentum
    if phase.scaling is not None:
        scaled = scale(phase.scaling, lr, warmup, batch, phase.samples)
        lr, warmup = scaled.peak_lr, scaled.warmup
    limit = phase.max_batch or ceiling(epoch_samples)
    if phase.raised is not None:
        to = phase.momentum if phase.raised.momentum is None else phase.raised.momentum
        lr, batch = raise_start(lr, batch, momentum, phase.raised.lr_factor, to, limit, unit)
        momentum = to
    grows_to = limit if phase.growth else None
    plan = Plan(phase.samples, lr, batch, momentum, round(warmup), phase.decay, grows_to, unit)
    if phase.name in ("gates", "classify"):
        _check_pairs(plan, phase, processes, norm_group)
    return plan


def _check_pairs(plan: Plan, phase: Phase, processes: int, norm_group: int) -> None:
    """Refuse batches of one sample: a batch norm needs two in its group's micro-batches."""
    by_count: dict[int, Update] = {}
    for update in updates(plan):
        by_count.setdefault(update.count, update)
    for update in by_count.values():
        ranks = [pieces(update, phase.micro_batch, processes, rank) for rank in range(processes)]
        for first in range(0, processes, norm_group):
            together = zip(*ranks[first : first + norm_group], strict=True)
            if any(sum(count for _, count in moments) == 1 for moments in together):
                raise RecipeError(
                    f"recipe: phases.{phase.name}: the update at sample {update.start} holds a single sample "
                    "at a time, expected 2 or more for its batch norms; change samples, batch or micro_batch"
                )


def updates(plan: Plan, seen: int = 0) -> Iterator[Update]:
    """Every update from sample `seen` to the end of the phase."""
    while seen < plan.samples:
        step = plan(seen)
        count = min(step.batch, plan.samples - seen)
        yield Update(seen, count, step)
        seen += count


def pieces(
    update: Update, micro_batch: int | None, processes: int = 1, rank: int = 0
) -> list[tuple[int, int]]:
    """(start, count) of the micro-batches of `rank`: its contiguous share of the update, cut evenly.

    All ranks have equally many, since each takes part in the collectives of
    every one. A last, short update may leave a process fewer samples than
    another, or none: then a count is 0. Losses are divided by the update's
    count, so every sample weighs the same.
    """
    first, end = (update.start + update.count * r // processes for r in (rank, rank + 1))
    largest = -(-update.count // processes)
    parts = -(-largest // (micro_batch or largest))
    bounds = [first + (end - first) * i // parts for i in range(parts + 1)]
    return [(a, b - a) for a, b in pairwise(bounds)]


def noise_of(step: StepPlan, optimiser: str, epoch_samples: int) -> float | None:
    """Noise scale of an update; None where it is not defined."""
    if optimiser in WITHOUT_NOISE_SCALE:
        return None
    return noise_scale(step.lr, step.batch, step.momentum, epoch_samples)
