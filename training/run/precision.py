"""fp32 or bf16, decided by a measurement of about a second.

bf16 autocast is several times faster than fp32 on CPUs with AMX or
AVX512-BF16 and more than ten times slower on those with AVX2 only.
"""

import time

import torch
from torch import nn

from models.layout import channels_last


def choose_precision(wanted: str, device: torch.device) -> str:
    """`wanted` unless it is "auto": then the faster one of a small convolution's forward and backward."""
    if wanted != "auto":
        return wanted
    seconds = {name: _time_step(name == "bf16", device) for name in ("fp32", "bf16")}
    return min(seconds, key=lambda name: seconds[name])


def _time_step(bf16: bool, device: torch.device) -> float:
    net = nn.Sequential(
        nn.Conv2d(48, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.Conv2d(48, 48, 3, padding=1)
    )
    net = channels_last(net).to(device)
    x = torch.ones(8, 48, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss = net(x).float().mean()
        loss.backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return best
