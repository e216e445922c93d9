"""Real browsers among the visitors: what they see is what a person would, drawing of the page included."""

from __future__ import annotations

import random
import threading

from in_use import CANVAS_WAITS, WATCH, draw
from lives import Notes
from playground import BROWSER_OPTIONS, Playground, Server, find_browser
from playwright.sync_api import BrowserContext, Error, sync_playwright

VIEWPORT = {"width": 1440, "height": 1600}
DRAWN_BEFORE_TRAINING = 3


class Witnesses(threading.Thread):
    """Some pages of one Chromium, which take turns in drawing; each trains once."""

    def __init__(self, server: Server, count: int, notes: Notes) -> None:
        super().__init__(name="witnesses", daemon=True)
        self._server, self._count, self._notes = server, count, notes
        self.over = threading.Event()

    def run(self) -> None:
        """Draw until `over`."""
        if not self._count:
            return
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=find_browser(), args=BROWSER_OPTIONS)
                pages = [self._open(browser.new_context(viewport=VIEWPORT)) for _ in range(self._count)]
                turn = 0
                while not self.over.is_set():
                    for number, playground in enumerate(pages):
                        draw(playground, random.Random(f"{number} {turn}"))
                        if turn == DRAWN_BEFORE_TRAINING:
                            playground.button("Train").click()
                    turn += 1
                for playground in pages:
                    seen = playground.page.evaluate("answerTimes")
                    self._notes.seen_answers += [(milliseconds - CANVAS_WAITS) / 1000 for milliseconds in seen]
                    self._notes.errors += [f"browser: {complaint}" for complaint in playground.complaints]
                    playground.close()
                browser.close()
        except (Error, AssertionError) as error:
            self._notes.errors.append(f"browser: {error}")

    def _open(self, context: BrowserContext) -> Playground:
        playground = Playground(context.new_page(), self._server).open()
        playground.page.evaluate(WATCH)
        self._notes.visits += 1
        return playground
