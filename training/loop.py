"""The training loop: phases one after the other, resumable at every checkpoint.

    python app.py train training/recipes/depthgate_s.yaml

Every schedule is a function of the samples seen in the phase; sample i is
drawn from (seed, phase, i). A run folder holds the resolved recipe, the
environment, log.jsonl, checkpoint.pt, and at the end weights.safetensors.
"""

import copy
import json
import math
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from eval.host import describe_host
from models.network import DepthGate
from models.registry import build
from tracker.errors import TrackerError
from training import checkpoint
from training.feed import feed
from training.frame_store import FrameStore, open_store
from training.phases import PHASE_LOSSES, PhaseContext
from training.precision import choose_precision
from training.recipe import Phase, Recipe, dump
from training.streams import PairStream
from training.teacher import NanoTrackTeacher

GRADIENT_NORM = 5.0
TEACHER_FIT_SAMPLES = 128


class DivergedError(TrackerError):
    """The loss is not finite any more."""


def default_runs() -> Path:
    """Where runs live unless told: outside the work tree, so that a new checkout resumes them."""
    state = os.environ.get("XDG_STATE_HOME", str(Path.home() / ".local/state"))
    return Path(state) / "depthgate" / "runs"


def learning_rate(phase: Phase, seen: int) -> float:
    """Linear warm-up, then cosine to zero, by samples."""
    if seen < phase.warmup_samples:
        return phase.lr * (seen + phase.batch) / (phase.warmup_samples + phase.batch)
    done = (seen - phase.warmup_samples) / max(1, phase.samples - phase.warmup_samples)
    return phase.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def train(recipe: Recipe, folder: Path) -> Path:
    """Run or resume `recipe` in `folder`; returns the weights file (the averaged network).

    Raises:
        SourceError, ModelError: data or teacher are missing.
        DivergedError: a loss became infinite or NaN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    cv2.setNumThreads(1)
    store = open_store(Path(recipe.data.root))
    teacher = _teacher(recipe, store)
    network = build(recipe.network).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    bf16 = choose_precision(recipe.precision) == "bf16"
    (folder / "recipe.yaml").write_text(dump(recipe))
    (folder / "environment.json").write_text(json.dumps(environment(recipe, store, bf16), indent=1))

    state = checkpoint.load(folder / "checkpoint.pt") if (folder / "checkpoint.pt").is_file() else None
    first = state["phase"] if state else 0
    if state:
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
    for number, phase in enumerate(recipe.phases):
        if number < first:
            continue
        resumed = state if state and number == first else None
        _run_phase(recipe, number, phase, network, average, store, teacher, bf16, folder, resumed)
        checkpoint.save_weights(folder / f"{phase.name}.safetensors", average.state_dict())
    weights = folder / "weights.safetensors"
    checkpoint.save_weights(weights, average.state_dict())
    return weights


def _run_phase(
    recipe: Recipe,
    number: int,
    phase: Phase,
    network: DepthGate,
    average: DepthGate,
    store: FrameStore,
    teacher: NanoTrackTeacher | None,
    bf16: bool,
    folder: Path,
    resumed: dict[str, Any] | None,
) -> None:
    if resumed is None or resumed["seen"] == 0:
        network.load_state_dict(average.state_dict())
    trained = network.gates if phase.name == "gates" else network
    network.requires_grad_(False)
    trained.requires_grad_(True)
    optimizer = torch.optim.AdamW(_groups(trained, recipe.weight_decay), lr=phase.lr, betas=(0.9, 0.99))
    seen, updates = 0, 0
    if resumed:
        seen, updates = resumed["seen"], resumed["updates"]
        if seen:
            optimizer.load_state_dict(resumed["optimizer"])
    context = PhaseContext(network, teacher, phase)
    loss_of = PHASE_LOSSES[phase.name]
    stream = PairStream(store, recipe.seed, phase.name)
    workers = max(1, (os.cpu_count() or 1) - recipe.threads)
    started, first_seen = time.perf_counter(), seen
    with _progress() as bar, open(folder / "log.jsonl", "a", buffering=1) as log:
        task = bar.add_task(f"{phase.name}", total=phase.samples, completed=seen, loss=math.nan)
        for batch in feed(stream, _updates(phase, seen), workers):
            _set_modes(network, phase, seen, average)
            rate = learning_rate(phase, seen)
            for group in optimizer.param_groups:
                group["lr"] = rate
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss, parts = loss_of(context, batch)
            if not torch.isfinite(loss):
                raise DivergedError(
                    f"phase {phase.name}: the loss is {loss.item()} after {seen} samples; "
                    f"lower phases.{phase.name}.lr"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(trained.parameters(), GRADIENT_NORM)
            optimizer.step()
            seen, updates = seen + len(batch.boxes), updates + 1
            _update_average(average, network, min(recipe.ema_decay, 1 - 1 / (updates + 1)))
            value = loss.item()
            bar.update(task, completed=seen, loss=value)
            if updates % 20 == 0 or seen >= phase.samples:
                speed = (seen - first_seen) / (time.perf_counter() - started)
                line = {"phase": phase.name, "samples": seen, "lr": rate, "loss": value, "norm": float(norm)}
                log.write(json.dumps({**line, "samples_per_s": round(speed, 2), **parts}) + "\n")
            if seen // recipe.checkpoint_samples != (seen - len(batch.boxes)) // recipe.checkpoint_samples:
                _save(folder, number, seen, updates, network, average, optimizer)
    _save(folder, number + 1, 0, 0, network, average, optimizer)


def _save(
    folder: Path,
    phase: int,
    seen: int,
    updates: int,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    state = {
        "phase": phase,
        "seen": seen,
        "updates": updates,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    checkpoint.save(folder / "checkpoint.pt", state)


def _teacher(recipe: Recipe, store: FrameStore) -> NanoTrackTeacher | None:
    if recipe.teacher is None:
        return None
    teacher = NanoTrackTeacher(Path(recipe.teacher.backbone), Path(recipe.teacher.head), recipe.threads)
    teacher.fit(teacher.features(PairStream(store, recipe.seed, "fit").batch(0, TEACHER_FIT_SAMPLES)))
    return teacher


def _updates(phase: Phase, seen: int) -> Iterator[tuple[int, int]]:
    """First sample and batch of every update from sample `seen` to the end of the phase."""
    for start in range(seen, phase.samples, phase.batch):
        yield start, min(phase.batch, phase.samples - start)


def _groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and norms do not."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _set_modes(network: DepthGate, phase: Phase, seen: int, average: DepthGate) -> None:
    """Training mode for what the phase trains; the backbone's norms freeze when the recipe says so.

    A template and a search crop differ in their moments, so the averaged
    ones that the tracker will use are what the last part of training sees.
    """
    if phase.name == "gates":
        network.eval()
        network.gates.train()
        return
    frozen = seen >= phase.freeze_norm_from * phase.samples
    if frozen and network.backbone.training:
        running = {k: v for k, v in average.backbone.state_dict().items() if "running_" in k}
        network.backbone.load_state_dict(running, strict=False)
    network.train()
    network.gates.eval()
    if frozen:
        network.backbone.eval()


@torch.no_grad()
def _update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    pairs = zip(average.state_dict().values(), network.state_dict().values(), strict=True)
    old: list[Tensor] = []
    new: list[Tensor] = []
    for a, n in pairs:
        if a.dtype.is_floating_point:
            old.append(a)
            new.append(n)
        else:
            a.copy_(n)
    torch._foreach_lerp_(old, new, 1 - decay)


def _progress() -> Progress:
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
    )


def environment(recipe: Recipe, store: FrameStore, bf16: bool) -> dict[str, Any]:
    """What a result must be read with: commit, host, versions, precision, data."""
    host = describe_host()
    return {
        "commit": _commit(),
        "cpu": host["cpu"],
        "flags": " ".join(host["flags"]),
        "torch": torch.__version__,
        "python": host["python"],
        "precision": "bf16" if bf16 else "fp32",
        "threads": recipe.threads,
        "data_digest": store.digest,
        "items": len(store.track),
    }


def _commit() -> str:
    """Of the checkout that this file lies in; `unknown` for an installed package."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
