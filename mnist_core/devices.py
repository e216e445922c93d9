"""Where a network can be trained on this machine, and how precisely it computes there."""

from __future__ import annotations

from pathlib import Path

import torch

from mnist_core.errors import TrainingError
from mnist_core.messages import say
from mnist_core.processor import cpu_cores, cpu_name


def available_devices() -> dict[str, str]:
    """The devices of this machine: {"cpu": its name, "cuda": its name, "mps": its name}, only those that are there."""
    devices: dict[str, str] = {"cpu": say("{name}, {cores} cores", name=cpu_name(), cores=cpu_cores())}
    if torch.cuda.is_available():
        devices["cuda"] = torch.cuda.get_device_name()
    if torch.backends.mps.is_available():
        devices["mps"] = say("Apple GPU")
    return devices


def find_device(name: str) -> torch.device:
    """The device that a configuration names; "auto" takes a GPU where there is one.

    Raises:
        TrainingError: when this machine lacks it; it says which devices there are.
    """
    available = available_devices()
    if name == "auto":
        return torch.device(next((gpu for gpu in ("cuda", "mps") if gpu in available), "cpu"))
    if name not in available:
        raise TrainingError(
            say(
                "The device {name!r} is not there: this machine has {devices}. Choose one of them, or auto.",
                name=name,
                devices=", ".join(available),
            )
        )
    return torch.device(name)


def find_precision(name: str, device: torch.device) -> str:
    """float32 or bfloat16; "auto" is bfloat16 where the device computes it."""
    if name == "auto":
        return "bfloat16" if computes_bfloat16(device) else "float32"
    return name


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; elsewhere it would be slower than float32, not faster."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        flags = Path("/proc/cpuinfo")
        return flags.exists() and "avx512_bf16" in flags.read_text(errors="replace")
    return False
