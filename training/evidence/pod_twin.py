"""Compare the pod recipe on two processes with one: the same result within the noise of seeds.

    python -m training.evidence.pod_twin --out docs/results/recipes

Both train training/recipes/pod_smoke.yaml on real tracking data: LEGW, a
growing batch, LARS; two processes with group batch norm over both and gradients
by the torus' fallback for two (a flat all-reduce). What is compared is the
held-out tracking loss of every exit after the phase `exits`.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from eval.results.host import describe_host
from eval.results.store import write_json
from training.loop import default_runs
from training.run.logs import read_log

SEEDS = (0, 1, 2)
RECIPE = Path(__file__).parents[1] / "recipes/pod_smoke.yaml"
APP = Path(__file__).parents[2] / "app.py"


def train(processes: int, seed: int, samples: int, data: Path) -> list[float]:
    """Train or resume; held-out tracking loss of every exit at the end of the phase `exits`.

    Raises:
        subprocess.CalledProcessError: the training failed; what it said went to the terminal.
    """
    folder = default_runs() / f"pod_twin-{samples}-{processes}-{seed}"
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "--"]
    steps = [samples // 2, samples * 4 // 5]
    overrides = [
        f"seed={seed}",
        f"data.root={data}",
        f"phases.exits.samples={samples}",
        f"phases.exits.warmup_samples={samples // 10}",
        f"phases.exits.decay.at_samples={steps}",
    ]
    command = [*start, str(APP), "train", "--run", str(folder), str(RECIPE), *overrides]
    environment = {**os.environ, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment)
    lines = [line for line in read_log(folder) if line["phase"] == "exits" and "validation" in line]
    losses: list[float] = lines[-1]["validation"]["tracking"]
    return losses


def experiment(data: Path, out: Path, samples: int) -> dict[str, Any]:
    """Write OUT/pod_twin.json; run folders lie where `train` keeps them, so an interrupted one goes on."""
    losses = {p: [train(p, seed, samples, data) for seed in SEEDS] for p in (1, 2)}
    document = {
        "command": "python -m training.evidence.pod_twin",
        "host": describe_host(),
        "samples": samples,
        "held_out_tracking_loss": {str(p): values for p, values in losses.items()},
        "table": table_of({p: np.array(values) for p, values in losses.items()}),
    }
    write_json(out / "pod_twin.json", document)
    return document


def table_of(losses: dict[int, Any]) -> list[list[str]]:
    """Tabulate mean ± sd of the seeds, a row per number of processes; then the largest difference."""
    exits = losses[1].shape[1]
    table = [["held-out tracking loss", *[f"exit {k}" for k in range(1, exits + 1)]]]
    for processes, values in losses.items():
        name = "one process" if processes == 1 else f"{processes} processes"
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(values.mean(0), values.std(0, ddof=1), strict=True)]
        table.append([name, *cells])
    apart = abs(losses[1] - losses[2]).max(0)
    return [*table, ["largest difference of a seed", *[f"{d:.4f}" for d in apart]]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the result")
    parser.add_argument("--samples", type=int, default=2400, help="of the phase exits")
    given = parser.parse_args()
    for row in experiment(given.data, given.out, given.samples)["table"]:
        print(" | ".join(row))
