"""The training loop: phases one after the other, resumable at every checkpoint.

    python app.py train training/recipes/depthgate_s.yaml
    torchrun --nproc-per-node 2 -- app.py train training/recipes/depthgate_s.yaml

Every schedule is a function of the samples seen in the phase; sample i is
drawn from (seed, phase, i). A run folder holds the resolved recipe, the
environment, log.jsonl, checkpoint.pt, and at the end weights.safetensors
and curves.png. A run that is killed loses at most `checkpoint_samples`.
What is trained is a Task (training/tasks/task.py): a tracker, or a classifier.
Among several processes an update is divided (`training.schedule.plan.pieces`),
all hold the same weights and average after it, and rank 0 alone writes.
"""

import copy
import os
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from models.layout import channels_last
from tracker.files import write_json
from training.data.feed import feed
from training.data.open import open_data
from training.distributed.group_batch_norm import convert_batch_norm, normalisation_group
from training.distributed.torus_all_reduce import gradient_hook
from training.distributed.world import (
    WRONG_USE,
    Hook,
    World,
    average_buffers,
    broadcast_from_rank_0,
    fail_on_all_ranks,
    first_on_its_machine,
    process_group,
)
from training.optim.average import update_average
from training.optim.optimisers import make_optimiser, set_step, weight_decay_of
from training.recipe.checks import norm_group
from training.recipe.errors import RecipeError
from training.recipe.resume import refusal, write_recipe
from training.recipe.schema import Phase, Recipe
from training.run import checkpoint
from training.run.curves import write_curves
from training.run.environment import environment
from training.run.gradients import accumulate, loss_step
from training.run.guards import DivergedError, GradientGuard, check_loss
from training.run.logs import Line, RunLog
from training.run.precision import choose_precision
from training.run.validation import means, validate
from training.schedule.epoch import with_epoch
from training.schedule.plan import Plan, Update, make_plan, noise_of, pieces, updates
from training.tasks.task import Task, make_task

LOG_SAMPLES, LOG_POINTS = 480, 50
"""Between two lines of the log, and lines of a phase; more lines where the two differ."""


@dataclass(frozen=True)
class Run:
    """What stays the same from the first phase to the last; `hook` averages gradients, None: DDP does."""

    world: World
    hook: Hook | None
    recipe: Recipe
    folder: Path
    task: Task
    network: nn.Module
    average: nn.Module
    bf16: bool

    @property
    def workers(self) -> int:
        """Threads that make batches; the device needs one."""
        if self.recipe.data.resident:
            return 1
        return max(1, (os.cpu_count() or 1) - self.recipe.threads)


class Speed:
    """Samples a second since the phase was begun or resumed at sample `first`, validation left out."""

    def __init__(self, first: int) -> None:
        self._first, self._started = first, time.perf_counter()

    def since(self, seen: int) -> float:
        return (seen - self._first) / (time.perf_counter() - self._started)

    def leave_out(self, begun: float) -> None:
        """Leave out the time since `begun`, a value of time.perf_counter()."""
        self._started += time.perf_counter() - begun


def default_runs() -> Path:
    """Return where runs live unless told: outside the work tree, so that a new checkout resumes them."""
    state = os.environ.get("XDG_STATE_HOME", str(Path.home() / ".local/state"))
    return Path(state) / "depthgate" / "runs"


def train(recipe: Recipe, folder: Path) -> Path:
    """Run or resume `recipe` in `folder`; returns the weights file (the averaged network).

    Started by torchrun, this process does its share of the work.

    Raises:
        SourceError, ModelError: data or teacher are missing.
        RecipeError: a plan that cannot be held, or not by so many processes, or not the resumed run's.
        DivergedError: the loss or its gradient became infinite, NaN or hopelessly large.
        DistributedError: the other processes did not come.
        SystemExit: in place of what all ranks meet alike or share, where rank 0 says it for all.
    """
    with process_group() as world:
        try:
            return train_as(world, recipe, folder)
        except (RecipeError, DivergedError) as error:
            if world.leads:
                raise
            raise SystemExit(WRONG_USE) from error


def train_as(world: World, recipe: Recipe, folder: Path) -> Path:
    """Train as one process of a world that is joined already; only rank 0 touches `folder`."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    cv2.setNumThreads(1)
    path = folder / "checkpoint.pt"
    with fail_on_all_ranks(world):
        saved = checkpoint.load(path) if world.leads and path.is_file() else None
    state = broadcast_from_rank_0(saved, world)
    run = _prepare(world, recipe, folder, state)
    first = state["phase"] if state else 0
    if state:
        run.network.load_state_dict(state["network"])
        run.average.load_state_dict(state["average"])
    elif recipe.start is not None:
        with fail_on_all_ranks(world):
            checkpoint.start_from(Path(recipe.start), run.average)
    for number, phase in enumerate(recipe.phases):
        if number >= first:
            _run_phase(run, number, phase, state if number == first else None)
    weights = folder / "weights.safetensors"
    if world.leads:
        checkpoint.save_weights(weights, run.average.state_dict())
        write_curves(folder)
    return weights


def _prepare(world: World, recipe: Recipe, folder: Path, state: dict[str, Any] | None) -> Run:
    """Prepare everything but the samples; `state` is of the checkpoint that the run goes on from."""
    with first_on_its_machine(world):
        data = open_data(recipe)
    recipe = with_epoch(recipe, data)
    for phase in recipe.phases:
        _plan(recipe, phase, world.size)
    with fail_on_all_ranks(world):
        if world.leads and (refused := refusal(recipe, folder, data.digest)):
            raise RecipeError(refused)
    task = make_task(recipe, data, world)
    network = channels_last(task.network()).to(world.device)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    convert_batch_norm(network, normalisation_group(world, norm_group(recipe, world.size)))
    hook = gradient_hook(world, recipe.distributed.all_reduce, recipe.distributed.gradients)
    bf16 = state["bf16"] if state else _measured_bf16(world, recipe)
    with fail_on_all_ranks(world):
        if world.leads:
            folder.mkdir(parents=True, exist_ok=True)
            write_recipe(recipe, folder)
            about = environment(recipe, data, bf16, world)
            write_json(folder / "environment.json", about)
    return Run(world, hook, recipe, folder, task, network, average, bf16)


def _measured_bf16(world: World, recipe: Recipe) -> bool:
    """Let rank 0 decide for all whether bf16 is used; it says so where it measured."""
    precision = choose_precision(recipe.precision, world.device) if world.leads else ""
    if world.leads and recipe.precision == "auto":
        print(f"precision {precision}, the faster one here")
    return bool(broadcast_from_rank_0(precision == "bf16", world))


def _plan(recipe: Recipe, phase: Phase, processes: int) -> Plan:
    assert recipe.data.epoch_samples is not None
    return make_plan(phase, recipe.data.epoch_samples, processes, norm_group(recipe, processes))


def _run_phase(run: Run, number: int, phase: Phase, resumed: dict[str, Any] | None) -> None:
    recipe, network, task = run.recipe, run.network, run.task
    if resumed is None or resumed["seen"] == 0:
        network.load_state_dict(run.average.state_dict())
    trained = task.trained(network, phase)
    network.requires_grad_(False)
    trained.requires_grad_(True)
    plan = _plan(recipe, phase, run.world.size)
    decay = weight_decay_of(phase.optimiser, recipe.weight_decay)
    optimiser = make_optimiser(phase.optimiser, trained, plan(0), decay)
    seen, done = (resumed["seen"], resumed["updates"]) if resumed else (0, 0)
    if seen and resumed:
        optimiser.load_state_dict(resumed["optimizer"])
    unused = task.leaves_some_out(phase)
    step = loss_step(task.loss(network, phase), trained, run.world, run.hook, run.bf16, unused)
    guard = GradientGuard(trained, phase.name)
    saved, clock = seen, Speed(seen)
    with fail_on_all_ranks(run.world):
        opened = _log(run, phase, seen)
    with _progress(run.world) as bar, opened as log:
        shown = bar.add_task(phase.name, total=phase.samples, completed=seen, state="")
        for update, batches in _feed_updates(run, phase, plan, seen):
            task.set_modes(network, phase, seen, run.average)
            line = _update(run, phase, step, optimiser, guard, update, batches)
            seen, done = seen + update.count, done + 1
            average_buffers(network, run.world)
            update_average(run.average, network, recipe.ema_decay, done)
            bar.update(shown, completed=seen, state=f"loss {line['loss']:.3f}  batch {update.count}")
            where = {"phase": phase.name, "samples": seen, "updates": done}
            if log and _passes(min(LOG_SAMPLES, -(-phase.samples // LOG_POINTS)), update, phase):
                log.write({**where, **line, "samples_per_s": round(clock.since(seen), 2)})
            if _passes(recipe.validate_samples, update, phase):
                begun = time.perf_counter()
                _validate(run, phase, where, log)
                clock.leave_out(begun)
            following = min(plan(seen).batch, phase.samples - seen)
            if following and seen + following - saved > recipe.checkpoint_samples:
                _save(run, number, seen, done, optimiser)
                saved = seen
    if run.world.leads:
        checkpoint.save_weights(run.folder / f"{phase.name}.safetensors", run.average.state_dict())
    _save(run, number + 1, 0, 0, optimiser)


def _passes(every: int | None, update: Update, phase: Phase) -> bool:
    """Return whether the update reaches a multiple of `every` samples, or the end of the phase."""
    end = update.start + update.count
    return end == phase.samples or (every is not None and end // every != update.start // every)


def _validate(run: Run, phase: Phase, where: Line, log: RunLog | None) -> None:
    """Log a line on the averaged network, where the data have held-out samples."""
    held_out = run.task.held_out()
    if held_out is None:
        return
    loss_of = run.task.loss(run.average, phase)
    found = validate(loss_of, *held_out, run.world, run.bf16, run.workers)
    if log:
        log.write({**where, "validation": found})


def _update(
    run: Run,
    phase: Phase,
    step: nn.Module,
    optimiser: torch.optim.Optimizer,
    guard: GradientGuard,
    update: Update,
    batches: Iterator[Any],
) -> Line:
    """Step the optimiser once with the micro-batches of one update; return the line of the log."""
    planned = update.step
    set_step(optimiser, planned)
    optimiser.zero_grad(set_to_none=True)
    number = len(pieces(update, phase.micro_batch, run.world.size, run.world.rank))
    loss, parts = accumulate(step, batches, number, update.count, run.world)
    check_loss(loss, phase.name, update.start, planned.lr, parts)
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    guard.check(float(norm), update.start, planned.lr)
    if phase.clip is not None:
        nn.utils.clip_grads_with_norm_(parameters, phase.clip, norm)
    optimiser.step()
    assert run.recipe.data.epoch_samples is not None
    return {
        "lr": planned.lr,
        "batch": update.count,
        "momentum": planned.momentum,
        "noise_scale": noise_of(planned, phase.optimiser, run.recipe.data.epoch_samples),
        "loss": loss,
        "norm": float(norm),
        **means(parts, update.count),
    }


def _save(run: Run, phase: int, seen: int, updates_done: int, optimiser: torch.optim.Optimizer) -> None:
    if not run.world.leads:
        return
    state = {
        "bf16": run.bf16,
        "phase": phase,
        "seen": seen,
        "updates": updates_done,
        "network": run.network.state_dict(),
        "average": run.average.state_dict(),
        "optimizer": optimiser.state_dict(),
    }
    checkpoint.save(run.folder / "checkpoint.pt", state)


def _feed_updates(run: Run, phase: Phase, plan: Plan, seen: int) -> Iterator[tuple[Update, Iterator[Any]]]:
    """Yield every update from sample `seen` with its micro-batches; the next few are made meanwhile.

    The micro-batches of an update must be used up before the next one is asked for.
    """
    size, rank = run.world.size, run.world.rank
    todo = (p for update in updates(plan, seen) for p in pieces(update, phase.micro_batch, size, rank))
    with closing(feed(run.task.stream(phase), todo, run.workers)) as batches:
        for update in updates(plan, seen):
            yield update, islice(batches, len(pieces(update, phase.micro_batch, size, rank)))


def _log(run: Run, phase: Phase, seen: int) -> RunLog | nullcontext[None]:
    """Open the log of the run from sample `seen`; none on ranks other than 0."""
    if not run.world.leads:
        return nullcontext()
    names = [p.name for p in run.recipe.phases]
    return RunLog(run.folder, names, phase.name, seen, run.recipe.tensorboard)


def _progress(world: World) -> Progress:
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
        disable=not world.leads,
    )
