"""What the tests of the page share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from mnist_core import load_mnist, load_model
from mnist_core.lessons.mistakes import SetReading
from mnist_core.runs import ChildRun
from mnist_core.server_settings import PREFIX, server_settings
from mnist_ui import visitors as visitors_module
from mnist_ui.visitor import run_queue

APP = str(Path(__file__).parents[2] / "app.py")
PATIENCE_SECONDS = 60.0  # with what takes a second on an idle machine


@pytest.fixture(scope="session", autouse=True)
def page_once_shown() -> None:
    """The canvas can be imported only where Streamlit has been running."""
    AppTest.from_file(APP, default_timeout=PATIENCE_SECONDS).run()


@pytest.fixture(autouse=True)
def no_run_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every run that a test starts ends with it."""
    runs: list[ChildRun] = []
    start = ChildRun.start

    def start_noted(run: ChildRun) -> None:
        runs.append(run)
        start(run)

    monkeypatch.setattr(ChildRun, "start", start_noted)
    yield
    for run in runs:
        run.stop()


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    """open_page(query): the page as a new visitor sees it first, with this behind its address."""

    def open_one(query: str = "") -> AppTest:
        page = AppTest.from_file(APP, default_timeout=PATIENCE_SECONDS)
        for name, values in parse_qs(query, keep_blank_values=True).items():
            page.query_params[name] = values
        page.run()
        assert not page.exception
        return page

    return open_one


@pytest.fixture
def page(open_page: Callable[..., AppTest]) -> AppTest:
    return open_page()


@pytest.fixture
def set_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """set_server(epochs="3"): the owner's settings for this test, as environment variables give them."""

    def set_all(**settings: str) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(PREFIX + name.upper(), value)
        server_settings.cache_clear()
        run_queue.clear()

    yield set_all
    monkeypatch.undo()
    server_settings.cache_clear()
    run_queue.clear()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """wait_until(condition): until it holds."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    return wait


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The ids of the sessions whose pages are connected, in place of a server that knows."""
    ids: set[str] = set()
    server = SimpleNamespace(is_active_session=ids.__contains__)
    monkeypatch.setattr(visitors_module, "runtime", SimpleNamespace(exists=lambda: True, get_instance=lambda: server))
    return ids


@pytest.fixture
def tested(monkeypatch: pytest.MonkeyPatch, page_once_shown: None) -> SetReading:
    """The shipped network's reading of a part of the test set, done, which My digits shows."""
    from mnist_ui.lessons import hand_table

    reading = SetReading(load_model(), load_mnist("test").first(500))
    reading.go_on(PATIENCE_SECONDS)
    assert reading.answers is not None
    monkeypatch.setattr(hand_table, "shipped_reading", lambda: reading)
    return reading
