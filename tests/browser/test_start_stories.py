"""Somebody is there as soon as the server."""

from __future__ import annotations

from collections.abc import Callable

from playground import SEVEN, Playground, Server, wait_until
from playwright.sync_api import BrowserContext

from mnist_ui.browser import files_ahead


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


def test_the_code_that_draws_charts_and_tables_is_there_before_the_first_run(
    contexts: Callable[..., BrowserContext], server: Server
) -> None:
    playground = Playground(contexts("desktop").new_page(), server)
    fetched: list[str] = []
    playground.page.on("requestfinished", lambda request: fetched.append(request.url.rpartition("/")[2]))
    playground.open()
    # The waiting lets Playwright hear of requests.
    wait_until(lambda: playground.page.wait_for_timeout(100) or set(files_ahead()) <= set(fetched), "the code")
    fetched.clear()
    playground.draw(SEVEN)
    playground.train()
    playground.page.get_by_text("Done. It reads").wait_for()
    playground.page.locator('[aria-label^="Accuracy"] svg').wait_for()
    assert not set(files_ahead()) & set(fetched)
    playground.close()
    assert playground.complaints == []
