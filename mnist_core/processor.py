"""The processor: how many of its cores there are for us, and what it is called."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def cpu_cores() -> int:
    """How many cores this process may use: those it is bound to, or fewer where a container has a smaller share."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = Path("/sys/fs/cgroup/cpu.max")  # "200000 100000": microseconds of computing in so many of the clock
    quota, _, period = share.read_text().partition(" ") if share.exists() else ("max", "", "")
    return bound if quota == "max" else max(1, min(bound, int(quota) // int(period)))


def cpu_name() -> str:
    """The processor's name as its maker gives it, as far as the system tells."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "CPU"
