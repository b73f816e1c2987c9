"""The machine and the code that a number was measured on."""

import os
import platform
import shutil
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def describe_host() -> dict[str, Any]:
    """Describe CPU model, the flags that matter, cores, system, versions of what computes, and commit."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(fields.get("flags", "").split())
    return {
        "cpu": fields.get("model name", platform.processor()),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "opencv": version("opencv-contrib-python-headless"),
        "onnxruntime": version("onnxruntime"),
        "commit": commit(),
    }


@cache
def commit() -> str:
    """Return this checkout's commit, with `-dirty` if files changed; `unknown` for an installed package."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists() or shutil.which("git") is None:
        return "unknown"
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
