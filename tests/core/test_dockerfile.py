"""The Dockerfile without Docker: what it copies is enough for the page, and its commands do what they are for."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 120  # seconds for what takes a few; only a test that fails waits so long

# Every instruction in one line, without comments: [("FROM", "python:..."), ...]
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1))
    for line in re.sub(r"(?m)^#.*\n", "", (REPOSITORY / "Dockerfile").read_text()).replace("\\\n", " ").splitlines()
    if line
]


def given(instruction: str) -> list[str]:
    return [words for name, words in INSTRUCTIONS if name == instruction]


def command(words: str) -> list[str]:
    """What is to be run, with this Python: CMD ["python", ...]."""
    name, *arguments = json.loads(words[words.index("[") :])
    return [sys.executable, *({"python": [], "streamlit": ["-m", "streamlit"]}[name]), *arguments]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the Dockerfile copies, as far as .dockerignore lets it."""
    folder = tmp_path_factory.mktemp("image")
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    for words in given("COPY"):
        *sources, target = words.split()
        for source in sources:
            assert f"!{source}" in ignored
            if (REPOSITORY / source).is_dir():
                shutil.copytree(REPOSITORY / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(REPOSITORY / source, folder / target)
    return folder


@pytest.fixture(scope="module")
def environment(image: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that the image sets, in that folder."""
    settings = dict(setting.split("=", 1) for words in given("ENV") for setting in words.split())
    assert settings["DIGIT_PLAYGROUND_PUBLIC"] == "1"
    moved = {"PYTHONPATH": str(image), "HOME": str(tmp_path_factory.mktemp("home"))}
    assert moved.keys() < settings.keys()
    return {**os.environ, **settings, **moved, "OMP_NUM_THREADS": "1"}


def test_its_python_is_one_that_the_package_allows_and_its_user_is_not_root() -> None:
    (base,) = given("FROM")
    minor = int(re.fullmatch(r"python:3\.(\d+)-slim", base)[1])
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert minor >= int(project["requires-python"].removeprefix(">=3."))
    assert [int(user) > 0 for user in given("USER")] == [True]


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_it_installs_all_that_the_package_depends_on_and_torch_from_the_cpu_pages(image: Path, tmp_path: Path) -> None:
    """Run with a pip that notes what it is asked to install."""
    (install,) = [words for words in given("RUN") if "pip install" in words]
    noted = tmp_path / "noted"
    (tmp_path / "pip").write_text(f'#!/bin/sh\nfor file in "$@"; do [ -f "$file" ] && cat "$file"; done >> {noted}\n')
    (tmp_path / "pip").chmod(0o755)
    (tmp_path / "python").symlink_to(sys.executable)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["sh", "-ec", install.replace("/tmp/", f"{tmp_path}/")], cwd=image, env={**os.environ, "PATH": path}, check=True
    )
    asked = noted.read_text().splitlines()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert set(project["dependencies"]) <= set(asked)
    assert not any(line.startswith("-e") for line in asked)
    pages = [line.split()[1] for line in asked if line.startswith("--find-links")]
    assert [page.endswith(("/whl/cpu/torch/", "/whl/cpu/torchvision/")) for page in pages] == [True, True]


SHOW = """
from pathlib import Path
from streamlit.testing.v1 import AppTest
import mnist_core, mnist_ui

page = AppTest.from_file("app.py", default_timeout=100).run()
assert not page.exception, page.exception
assert {Path(module.__file__).parents[1] for module in (mnist_core, mnist_ui)} == {Path.cwd()}
print(*(button.label for button in page.button), sep="\\n")
"""


def test_the_page_is_whole_with_what_it_copies(image: Path, environment: dict[str, str]) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=image, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert shown.returncode == 0, shown.stderr
    assert "Train" in shown.stdout.splitlines()


def test_its_health_check_tells_a_server_that_is_up_from_one_that_is_not(
    image: Path, environment: dict[str, str]
) -> None:
    (start,), (check,) = given("CMD"), given("HEALTHCHECK")
    (port,) = given("EXPOSE")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ours = str(free.getsockname()[1])
    assert "--server.address=0.0.0.0" in start
    start = start.replace(port, ours).replace("0.0.0.0", "127.0.0.1")
    check = check.replace(port, ours)
    assert ours in start
    assert ours in check

    def is_healthy() -> bool:
        checked = subprocess.run(command(check), env=environment, capture_output=True, timeout=PATIENCE)
        return checked.returncode == 0

    assert not is_healthy()
    before = set(image.rglob("*"))
    with subprocess.Popen(
        command(start), cwd=image, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            deadline = time.monotonic() + PATIENCE
            while not is_healthy():
                assert server.poll() is None
                assert time.monotonic() < deadline
        finally:
            server.kill()
    assert not is_healthy()
    assert set(image.rglob("*")) == before  # it writes nothing beside itself
