"""fp32 or bf16, decided by a measurement of about a second.

bf16 autocast is several times faster than fp32 on CPUs with AMX or
AVX512-BF16 and more than ten times slower on those with AVX2 only.
"""

import time

import torch
from torch import nn


def choose_precision(wanted: str) -> str:
    """`wanted` unless it is "auto": then the faster one of a small convolution's forward and backward."""
    if wanted != "auto":
        return wanted
    seconds = {name: _time_step(name == "bf16") for name in ("fp32", "bf16")}
    return min(seconds, key=lambda name: seconds[name])


def _time_step(bf16: bool) -> float:
    net = nn.Sequential(
        nn.Conv2d(48, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.Conv2d(48, 48, 3, padding=1)
    )
    net = net.to(memory_format=torch.channels_last)
    x = torch.ones(8, 48, 32, 32).contiguous(memory_format=torch.channels_last)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = net(x).float().mean()
        loss.backward()
        best = min(best, time.perf_counter() - start)
    return best
