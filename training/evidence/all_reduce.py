"""Times of all-reduce on 2–4 gloo processes of this machine, α and β from them, and what they predict.

    python -m training.evidence.all_reduce --out FILE.json

Every second message size is held out of the fit and predicted. Processes on
one machine share its memory: α and β belong to a number of processes, and
what is said of more machines is modelled from them, not measured. The fit
takes the fastest repeat, since the model knows no load of other programs.
"""

import argparse
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.multiprocessing.spawn import start_processes

from eval.results.host import describe_host
from eval.results.store import save_figure, write_json
from eval.results.tables import rows_table
from training.distributed.cost_model import (
    Cost,
    Link,
    fit,
    ring_cost,
    torus_cost,
    tree_cost,
    update_seconds,
    worst_error,
)
from training.distributed.torus_all_reduce import mesh_shape, torus_all_reduce_, torus_mesh
from training.distributed.world import joined

PROCESSES = (2, 3, 4)
ELEMENTS = tuple(2**k for k in range(16, 23))
WARM_UP, TIMEOUT_S, LIMIT = 2, 300.0, 0.25
MODELLED_RANKS = (4, 16, 64, 256, 1024, 4096)
MODELLED_BUCKETS = (25 * 2**20,) * 4
MODELLED_BACKWARD_S, MODELLED_COMPUTE_S = 1.0, 1.5
NOT_MEASURED = "modelled, not measured"


def main(arguments: list[str] | None = None) -> None:
    """Measure, fit and draw; write FILE.json and FILE.png."""
    parser = argparse.ArgumentParser(prog="python -m training.evidence.all_reduce", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="beside it: FILE.png")
    parser.add_argument("--repeats", type=int, default=100, help="of each size; the fastest counts")
    options = parser.parse_args(arguments)
    document = measure(PROCESSES, ELEMENTS, options.repeats)
    document["table"] = table_of(document)
    write_json(options.out, document)
    draw(document, options.out.with_suffix(".png"))
    print(rows_table(document["table"]))
    print(f"saved {options.out} and {options.out.with_suffix('.png')}")


def table_of(document: dict[str, Any]) -> list[list[str]]:
    """Tabulate the fits: largest message in milliseconds, α, β, and the largest error on held-out sizes."""
    rows = [["all-reduce", "processes", "16 MiB, ms", "α, µs", "β, ns a byte", "error on held-out sizes"]]
    for fitted in document["fits"]:
        error = fitted["held_out_error"]
        verdict = "within" if error <= LIMIT else "not within"
        rows.append(
            [
                fitted["algorithm"],
                str(fitted["processes"]),
                f"{1e3 * fitted['seconds'][-1]:.1f}",
                f"{1e6 * fitted['alpha']:.0f}",
                f"{1e9 * fitted['beta']:.2f}",
                f"{error:.0%}, {verdict} {LIMIT:.0%}",
            ]
        )
    return rows


def measure(processes: tuple[int, ...], elements: tuple[int, ...], repeats: int) -> dict[str, Any]:
    """Time, fit and predict; the document that `main` saves. Starts its own processes, one thread each."""
    fits = []
    for size in processes:
        seconds = _run(size, elements, repeats)
        for algorithm, cost in _costs(size).items():
            fits.append(
                {"algorithm": algorithm, "processes": size, **_fit(cost, elements, *seconds[algorithm])}
            )
    widest = max((f for f in fits if f["algorithm"] == "ring"), key=lambda f: f["processes"])
    return {
        "command": "python -m training.evidence.all_reduce --out FILE.json",
        "host": describe_host() | {"torch": torch.__version__},
        "repeats": repeats,
        "statistic": "seconds of the slowest rank; the fit takes the fastest repeat, medians stand beside",
        "fits": fits,
        "modelled": _modelled(Link(widest["alpha"], widest["beta"])),
    }


def _costs(size: int) -> dict[str, Callable[[int], Cost]]:
    """Return what is measured with so many processes; the torus only where it is not a flat all-reduce."""
    rows, columns = mesh_shape(size)
    costs: dict[str, Callable[[int], Cost]] = {"ring": partial(ring_cost, size)}
    if rows > 1:
        costs["torus"] = partial(torus_cost, rows, columns)
    return costs


def _fit(
    cost: Callable[[int], Cost], elements: tuple[int, ...], seconds: list[float], medians: list[float]
) -> dict[str, Any]:
    """α, β from sizes 0, 2, 4 …; the error on sizes 1, 3, 5 … between them."""
    steps, sent = [cost(n).steps for n in elements], [cost(n).sent_bytes for n in elements]
    link = fit(steps[::2], sent[::2], seconds[::2])
    return {
        "alpha": link.alpha,
        "beta": link.beta,
        "bytes": [4 * n for n in elements],
        "seconds": seconds,
        "median_seconds": medians,
        "predicted": [link.seconds(s, b) for s, b in zip(steps, sent, strict=True)],
        "held_out": [bool(i % 2) for i in range(len(elements))],
        "fitted_error": worst_error(link, steps[::2], sent[::2], seconds[::2]),
        "held_out_error": worst_error(link, steps[1::2], sent[1::2], seconds[1::2]),
    }


def _run(size: int, elements: tuple[int, ...], repeats: int) -> dict[str, tuple[list[float], list[float]]]:
    """By algorithm: the fastest and the median seconds of every size."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    context = mp.get_context("spawn")
    results = context.SimpleQueue()
    start_processes(_process, (size, port, elements, repeats, results), size, start_method="spawn")
    return dict(results.get())


def _process(rank: int, size: int, port: int, elements: tuple[int, ...], repeats: int, results: Any) -> None:
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port}
    os.environ.update({k: str(v) for k, v in numbers.items()}, MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)
    with joined(TIMEOUT_S) as world:
        mesh = torus_mesh(world)
        sums: dict[str, Callable[[torch.Tensor], Any]] = {"ring": dist.all_reduce}
        if mesh is not None and mesh.ndim == 2:
            sums["torus"] = lambda flat: torus_all_reduce_(flat, mesh)
        times = {name: [_time(f, n, repeats) for n in elements] for name, f in sums.items()}
        if world.rank == 0:
            results.put({k: ([min(t) for t in v], [median(t) for t in v]) for k, v in times.items()})


def _time(all_reduce: Callable[[torch.Tensor], Any], elements: int, repeats: int) -> list[float]:
    """Return the slowest rank's seconds of every repeat, for a message of float32 elements."""
    flat = torch.zeros(elements)
    taken = torch.zeros(WARM_UP + repeats, dtype=torch.float64)
    for i in range(len(taken)):
        dist.barrier()
        start = time.perf_counter()
        all_reduce(flat)
        taken[i] = time.perf_counter() - start
    dist.all_reduce(taken, dist.ReduceOp.MAX)
    return [float(seconds) for seconds in taken[WARM_UP:]]


def _modelled(link: Link) -> dict[str, Any]:
    """Seconds by number of ranks, each on a machine of its own with links like the one fitted here."""
    rows: dict[str, list[dict[str, float]]] = {"ring": [], "torus": [], "tree": []}
    for ranks in MODELLED_RANKS:
        costs: dict[str, Callable[[int], Cost]] = {
            "ring": partial(ring_cost, ranks),
            "torus": partial(torus_cost, *mesh_shape(ranks)),
            "tree": partial(tree_cost, ranks),
        }
        for name, cost in costs.items():
            rows[name].append({"ranks": ranks, **_modelled_row(link, cost)})
    return {
        "status": NOT_MEASURED,
        "bucket_bytes": list(MODELLED_BUCKETS),
        "backward_seconds": MODELLED_BACKWARD_S,
        "compute_seconds": MODELLED_COMPUTE_S,
        **rows,
    }


def _modelled_row(link: Link, cost: Callable[[int], Cost]) -> dict[str, float]:
    def seconds(bytes_: int) -> float:
        found = cost(bytes_ // 4)
        return link.seconds(found.steps, found.link_bytes)

    update = update_seconds(MODELLED_COMPUTE_S, MODELLED_BACKWARD_S, MODELLED_BUCKETS, seconds)
    return {"bucket_seconds": seconds(MODELLED_BUCKETS[0]), "update_seconds": update}


def draw(document: dict[str, Any], path: Path) -> None:
    """Left: measured times and fits, held-out sizes hollow; right: what the model says of more machines."""
    from matplotlib.figure import Figure

    figure = Figure((12, 5), layout="constrained")
    measured, modelled = figure.subplots(1, 2)
    for k, row in enumerate(document["fits"]):
        colour, held = f"C{k}", np.array(row["held_out"])
        megabytes, milliseconds = np.array(row["bytes"]) / 1e6, np.array(row["seconds"]) * 1e3
        label = f"{row['algorithm']}, {row['processes']} processes"
        measured.plot(megabytes, np.array(row["predicted"]) * 1e3, color=colour, label=label)
        measured.plot(megabytes[~held], milliseconds[~held], "o", color=colour)
        measured.plot(megabytes[held], milliseconds[held], "o", color=colour, fillstyle="none")
    measured.set(xscale="log", yscale="log", xlabel="MB", ylabel="ms", title="measured; hollow: held out")
    for name in ("ring", "torus", "tree"):
        rows = document["modelled"][name]
        ranks = [r["ranks"] for r in rows]
        modelled.plot(ranks, [r["bucket_seconds"] for r in rows], "--", label=f"{name}, one bucket")
    modelled.set(xscale="log", yscale="log", xlabel="ranks", ylabel="s", title=NOT_MEASURED)
    for axis in (measured, modelled):
        axis.legend()
    save_figure(figure, path, dpi=120)


if __name__ == "__main__":
    main()
