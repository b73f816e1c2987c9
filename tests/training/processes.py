"""Real gloo processes for tests, with a deadline of their own: a hang is a failure, not a wait.

`run` starts processes as torchrun would set them up, calls a function of a
test module in each with (world, *arguments) and returns what each returned.
"""

import multiprocessing
import os
import pickle
import socket
import time
import traceback
import warnings
from pathlib import Path

import pytest

COLLECTIVE_TIMEOUT_S = 100


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environment(rank: int, size: int, port: int) -> dict[str, str]:
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    return {k: str(v) for k, v in numbers.items()} | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def _main(function, rank, size, port, folder, arguments) -> None:
    import torch

    from training.distributed.world import process_group

    os.environ.update(environment(rank, size, port), OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    try:
        with process_group(COLLECTIVE_TIMEOUT_S) as world:
            result = ("returned", function(world, *arguments))
    except Exception:
        result = ("raised", traceback.format_exc())
    (folder / f"{rank}.part").write_bytes(pickle.dumps(result))
    os.replace(folder / f"{rank}.part", folder / f"{rank}.pkl")


def run(function, size: int, folder: Path, *arguments, deadline_s: float = 180) -> list:
    """Results by rank; fails the test with the tracebacks, or by rank that did not end in time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torch.distributed.device_mesh", "training.distributed.world"])
    port = free_port()
    processes = [
        context.Process(target=_main, args=(function, rank, size, port, folder, arguments), daemon=True)
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    end = time.monotonic() + deadline_s
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
    late = [rank for rank, process in enumerate(processes) if process.is_alive()]
    for rank in late:
        processes[rank].kill()
        processes[rank].join()
    files = [folder / f"{rank}.pkl" for rank in range(size)]
    results = [pickle.loads(f.read_bytes()) if f.is_file() else ("ended", "without a result") for f in files]
    faults = [f"rank {rank} {how}: {what}" for rank, (how, what) in enumerate(results) if how != "returned"]
    if late or faults:
        pytest.fail(f"ranks {late} ran longer than {deadline_s} s\n" + "\n".join(faults))
    return [value for _, value in results]
