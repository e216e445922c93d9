"""What the tests of the core share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from PIL import Image, ImageDraw

from mnist_core import Digits, load_mnist

torch.set_num_threads(1)

# Time says nothing on a shared machine, and a test must ask the same questions every day.
settings.register_profile("core", deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
settings.load_profile("core")

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def mnist_train() -> Digits:
    return load_mnist("train")


@pytest.fixture(scope="session")
def mnist_test() -> Digits:
    return load_mnist("test")


@pytest.fixture(scope="session")
def draw() -> Callable[..., np.ndarray]:
    """draw(points, side=280, pen=18): a canvas (side, side) uint8 with one line of round ends through the points."""

    def draw_line(points: list[tuple[int, int]], side: int = 280, pen: int = 18) -> np.ndarray:
        canvas = Image.new("L", (side, side))
        brush = ImageDraw.Draw(canvas)
        brush.line(points, fill=255, width=pen, joint="curve")
        for x, y in points:
            brush.circle((x, y), pen / 2, fill=255)
        return np.array(canvas)

    return draw_line


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """run_python(code, path=(), script=None): the code in a fresh interpreter that sees `path` and this repository."""

    def run(
        code: str, path: tuple[Path, ...] = (), script: str | None = None, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, REPOSITORY)))}
        if script:
            (tmp_path / script).write_text(code)
        return subprocess.run(
            [sys.executable, script or "-"],
            input=None if script else code,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    return run
