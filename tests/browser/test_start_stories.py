"""Somebody is there as soon as the server."""

from __future__ import annotations

from collections.abc import Callable

from playground import SEVEN, Playground, Server
from playwright.sync_api import BrowserContext


def test_what_is_drawn_as_soon_as_there_is_a_canvas_is_read_and_nothing_moves(
    contexts: Callable[..., BrowserContext], start_server: Callable[..., Server]
) -> None:
    playground = Playground(contexts("desktop").new_page(), start_server())
    playground.page.goto(playground.server.url, wait_until="commit")
    playground.canvas.wait_for()
    place = playground.canvas.bounding_box()
    playground.draw(SEVEN)
    playground.reads("It's a 7")
    assert playground.canvas.bounding_box() == place
    playground.ready()
    playground.press("Undo")
    playground.reads("Waiting for your digit")
    playground.close()
    assert playground.complaints == []
