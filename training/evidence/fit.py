"""One training of an experiment: the loop's plan, micro-batches and optimisers around any small learner.

The loop of training/loop.py is for runs that ship: it resumes within a
training, feeds many workers and averages weights. An experiment has hundreds of
short trainings on one thread, wants the curve of each, and resumes between
them: every finished training is a line of a file. Plan, micro-batches and
optimisers are the same.
"""

import argparse
import json
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from joblib import delayed
from torch import Tensor, nn

from eval.results.host import describe_host
from tracker.arrays import Ints
from training.optim.optimisers import make_optimiser, set_step
from training.recipe.schema import Phase
from training.recipe.yaml_tree import plain
from training.run.jobs import read_lines, train_all
from training.schedule.plan import make_plan, pieces, updates


class Learner(Protocol):
    """What is trained.

    Attributes:
        module: fresh weights.
        samples: N, samples of an epoch.
        weight_decay: of weights; biases and norms have none.
        clip: largest norm of a gradient.
    """

    module: nn.Module
    samples: int
    weight_decay: float
    clip: float

    def loss(self, rows: Ints) -> Tensor:
        """Mean loss of the samples `rows`, a scalar."""
        ...

    def validation(self) -> tuple[float, float]:
        """Accuracy and loss on what is never trained on."""
        ...


Probe = Callable[[Learner], float]
Marks = Callable[[Phase], list[int]]
"""A training to the numbers of samples after which its curve has a point, rising; 0: before any update."""


def even_marks(phase: Phase) -> list[int]:
    """20 points at equal distances."""
    return [phase.samples * i // 20 for i in range(1, 21)]


@dataclass(frozen=True)
class Trial:
    """One training: `row` of the experiment's table at `phase.batch`."""

    row: str
    phase: Phase
    seed: int

    def key(self) -> str:
        """Return the trial's identity: row, seed, and the values of the phase that are not the default."""
        said = {f.name: getattr(self.phase, f.name) for f in fields(Phase)}
        said = {name: value for name, value in said.items() if value != Phase.__dict__.get(name)}
        return json.dumps([self.row, self.seed, plain(said)], sort_keys=True)


def fit(
    learner: Learner, phase: Phase, seed: int, marks: Marks = even_marks, probe: Probe | None = None
) -> dict[str, Any]:
    """Train `learner` by the plan of `phase`, on one thread; its curve at the first update past each mark.

    Returns:
        updates, seconds (of this thread's CPU, without validation), diverged, peak_lr, and by point: samples,
        update, at_seconds, train_loss (mean since the point before, None before any update), accuracy, loss
        (of validation) and, with a probe, probe. A training whose loss is not finite ends there.
    """
    torch.set_num_threads(1)
    plan = make_plan(phase, learner.samples)
    optimiser = make_optimiser(phase.optimiser, learner.module, plan(0), learner.weight_decay)
    order = _order(learner.samples, phase.samples, seed)
    out: dict[str, Any] = {"diverged": False, "peak_lr": plan.lr}
    curve = _Curve(learner, marks(phase), probe)
    seconds, done = 0.0, 0
    curve.reach(0, done, seconds)
    for update in updates(plan):
        begun = time.thread_time()
        learner.module.train()
        set_step(optimiser, update.step)
        optimiser.zero_grad(set_to_none=True)
        for start, count in pieces(update, phase.micro_batch):
            share = learner.loss(order[start : start + count]) * (count / update.count)
            share.backward()
            curve.lost += share.item() * update.count
        nn.utils.clip_grad_norm_(learner.module.parameters(), learner.clip)
        optimiser.step()
        seconds, done = seconds + time.thread_time() - begun, done + 1
        if not math.isfinite(curve.lost):
            out["diverged"] = True
            break
        curve.reach(update.start + update.count, done, seconds)
    return {**out, "updates": done, "seconds": round(seconds, 2), **curve.points}


class _Curve:
    """Points of a training at its marks; `lost` is the sum of the losses since the last one."""

    def __init__(self, learner: Learner, marks: list[int], probe: Probe | None) -> None:
        self.points: dict[str, list[float | None]] = {
            name: [] for name in ("samples", "update", "at_seconds", "train_loss", "accuracy", "loss")
        }
        if probe:
            self.points["probe"] = []
        self.lost = 0.0
        self._learner, self._ahead, self._probe = learner, deque(marks), probe
        self._last = 0

    def reach(self, seen: int, done: int, seconds: float) -> None:
        """Add a point after `seen` samples in `done` updates if one is due."""
        if not self._ahead or seen < self._ahead[0]:
            return
        while self._ahead and seen >= self._ahead[0]:
            self._ahead.popleft()
        accuracy, loss = self._learner.validation()
        trained = self.lost / (seen - self._last) if seen > self._last else None
        values = [seen, done, seconds, trained, accuracy, loss]
        if self._probe:
            values.append(self._probe(self._learner))
        for points, value in zip(self.points.values(), values, strict=True):
            points.append(None if value is None else round(value, 6))
        self.lost, self._last = 0.0, seen


def _order(distinct: int, samples: int, seed: int) -> Ints:
    """Which sample is the i-th of a training: a new permutation every epoch."""
    rng = np.random.default_rng(seed)
    epochs = -(-samples // distinct)
    return np.concatenate([rng.permutation(distinct) for _ in range(epochs)])[:samples]


def run(
    trials: list[Trial],
    learn: Callable[[], Learner],
    out: Path,
    jobs: int,
    title: str,
    marks: Marks = even_marks,
    probe: Probe | None = None,
) -> list[dict[str, Any]]:
    """Train what OUT (JSON lines) has no line for yet; the lines of `trials`, in their order.

    Args:
        learn: a fresh learner, weights drawn from torch's seed; called in the processes that train.
    """
    done = {line["key"] for line in read_lines(out)}
    left = [delayed(_train)(t, learn, marks, probe) for t in trials if t.key() not in done]
    train_all(left, out, jobs, title)
    lines = {line["key"]: line for line in read_lines(out)}
    return [lines[t.key()] for t in trials]


def _train(trial: Trial, learn: Callable[[], Learner], marks: Marks, probe: Probe | None) -> dict[str, Any]:
    torch.manual_seed(trial.seed)
    record = fit(learn(), trial.phase, trial.seed, marks, probe)
    where = {"row": trial.row, "batch": trial.phase.batch, "seed": trial.seed}
    return {**where, **record, "cpu": describe_host()["cpu"], "key": trial.key()}


def options(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that experiments share: --data, --out, --jobs."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the result")
    parser.add_argument("--jobs", type=int, default=2)
    return parser
