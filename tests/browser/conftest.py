"""A real server and a real browser for the stories."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playground import BROWSER_OPTIONS, Playground, Server, find_browser
from playwright.sync_api import Browser, BrowserContext, sync_playwright

KINDS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1440, "height": 1600}},
    "another desktop": {"viewport": {"width": 1440, "height": 1600}},
    "Spanish desktop": {"viewport": {"width": 1440, "height": 1600}, "locale": "es-ES"},
    "phone": {
        "viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2
    },
}  # fmt: skip


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = find_browser()
    if path is None:
        missing = "no Chromium is installed here (Debian: apt install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """start_server(**environment): a server for these tests, stopped and its log read when all are through."""
    servers: list[Server] = []

    def start(**environment: str) -> Server:
        servers.append(Server(tmp_path_factory.mktemp("server") / "log", **environment))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
    assert [server.complaints() for server in servers] == [[] for _ in servers]


@pytest.fixture(scope="package")
def server(browser: Browser, start_server: Callable[..., Server]) -> Server:
    return start_server(DIGIT_PLAYGROUND_RUNS="2")


@pytest.fixture(scope="package")
def contexts(browser: Browser) -> Callable[..., BrowserContext]:
    """contexts(kind): a browser of this kind, opened once, so that its cache is warm; a tab is a person."""
    return functools.cache(lambda kind: browser.new_context(**KINDS[kind]))


@pytest.fixture
def visit(contexts: Callable[..., BrowserContext], server: Server) -> Iterator[Callable[..., Playground]]:
    """visit(kind, server): the page opened in a new tab; at the end nothing must have gone wrong."""
    visits: list[Playground] = []

    def open_page(kind: str = "desktop", server: Server = server) -> Playground:
        visits.append(Playground(contexts(kind).new_page(), server))
        return visits[-1].open()

    yield open_page
    for one in visits:
        if not one.page.is_closed():
            one.close()
        one.server.end_trainings()
    assert [one.complaints for one in visits] == [[] for _ in visits]
    assert [one.server.complaints() for one in visits] == [[] for _ in visits]


@pytest.fixture
def playground(visit: Callable[..., Playground]) -> Playground:
    """The page on a desktop."""
    return visit()


@pytest.fixture
def phone(visit: Callable[..., Playground]) -> Playground:
    """The page on a phone, touched with a finger."""
    return visit("phone")
