"""What visitors do on the page, by a script that their number decides, and what is noted of it."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter

from paper import Point
from tabs import Tab

RUN_SECONDS = 900.0  # the longest that somebody waits for a run, the queue included
ANSWER_SECONDS = 30.0
THINKS = (0.5, 3.0)  # seconds between two deeds, from and to
LOCKED_SECONDS = 5.0
STROKES = 4  # that fit on a canvas before there is more ink than paper
EVERY_IMAGE = 60_000
LEFT = "left behind"
OUTCOMES = {"Done.": "done", "Stopped.": "stopped"}  # what the page says of a run that is over


@dataclass
class Notes:
    """What all visitors together have met with.

    Attributes:
        answers, busy_answers: seconds from a stroke to its answer, without and with a run of the visitor's own.
        seen_answers: the same as real browsers saw it, without what the canvas itself waits.
        waits: seconds from Train to the first step. runs: how many were pressed, and how many ended in which way.
    """

    answers: list[float] = field(default_factory=list)
    busy_answers: list[float] = field(default_factory=list)
    seen_answers: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    runs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("pressed", "done", "stopped", LEFT, "lost"), 0))
    errors: list[str] = field(default_factory=list)
    visits: int = 0


class Visit:
    """One person's stay: draws, trains, draws on meanwhile, does one thing of their own, and goes."""

    def __init__(self, url: str, number: int, images: int, notes: Notes) -> None:
        self._url, self._number, self._images, self._notes = url, number, images, notes
        self._pen = random.Random(number)
        self._tab = Tab(url)
        self._strokes = 0

    async def live(self) -> None:
        """From coming to going; what goes wrong is noted."""
        self._notes.visits += 1
        try:
            await self._tab.open()
            await self._draw_some(self._notes.answers)
            if self._images != EVERY_IMAGE:
                await self._tab.set_number("setting_train_images", self._images)
            await self._train()
        except (TimeoutError, OSError) as error:
            self._complain(str(error))
        with suppress(OSError):
            await self._tab.close()
        for error in self._tab.errors:
            self._complain(error)

    def _complain(self, error: str) -> None:
        self._notes.errors.append(f"visitor {self._number}: {error}")

    async def _think(self) -> None:
        await asyncio.sleep(self._pen.uniform(*THINKS))

    async def _draw_some(self, answers: list[float]) -> None:
        for _ in range(self._pen.randint(2, 4)):
            await self._draw(answers)

    async def _draw(self, answers: list[float]) -> None:
        """A stroke somewhere; on a full canvas after clearing it."""
        await self._think()
        if self._strokes == STROKES:
            self._strokes, before = 0, self._tab.film
            await self._tab.press("Clear")
            await self._tab.wait(lambda: self._tab.film != before, "an empty canvas", ANSWER_SECONDS)
            await self._think()
        self._strokes += 1
        stroke: list[Point] = [(self._pen.uniform(30, 250), self._pen.uniform(30, 250)) for _ in range(6)]
        answers.append(await self._tab.draw(stroke, ANSWER_SECONDS))

    async def _train(self) -> None:
        """Press Train, draw until the run is over, and in between do what this visitor is here for."""
        self._notes.runs["pressed"] += 1
        pressed = perf_counter()
        await self._tab.press("train")
        first_step = asyncio.create_task(self._note_first_step(pressed))
        try:
            await self._tab.wait(lambda: self._is_training, "the run to begin or to stand in the queue")
            outcome = await self._follow_run(pressed + RUN_SECONDS)
        finally:
            first_step.cancel()
        self._notes.runs[outcome] += 1
        if outcome == "lost":
            self._complain(f"the run was lost; the page says {self._tab.words('alert', 'progress')!r}")
        if outcome != LEFT:
            await self._draw_some(self._notes.answers)

    async def _follow_run(self, deadline: float) -> str:
        """Draw as long as the run goes on; how it ended."""
        deed = DEEDS[self._number % len(DEEDS)]
        while self._is_training and perf_counter() < deadline:
            await self._draw(self._notes.busy_answers)
            if deed is not None and self._is_training:
                if deed is Visit._leave:
                    return LEFT
                await deed(self)
                deed = None
        with suppress(TimeoutError):
            await self._tab.wait(lambda: self._outcome, "the outcome to be told", ANSWER_SECONDS)
        return self._outcome or "lost"

    @property
    def _is_training(self) -> bool:
        """Whether the page shows a run that goes on or waits in the queue."""
        return not self._tab.finds("train")

    @property
    def _outcome(self) -> str:
        """How the run has ended, as the page says."""
        told = self._tab.words("alert")
        return next((outcome for words, outcome in OUTCOMES.items() if words in told), "")

    async def _note_first_step(self, pressed: float) -> None:
        """Note how long it takes from Train until the page tells of a step."""
        while "step" not in self._tab.words("progress"):
            await asyncio.sleep(0.1)
        self._notes.waits.append(perf_counter() - pressed)

    # What a visitor does besides

    async def _reload(self) -> None:
        await self._tab.reload()

    async def _lock_phone(self) -> None:
        await self._tab.drop()
        await asyncio.sleep(LOCKED_SECONDS)
        await self._tab.come_back()
        await self._tab.wait(lambda: self._tab.is_quiet, "the page after the phone was unlocked")

    async def _open_second_tab(self) -> None:
        second = Tab(self._url)
        await second.open()
        await second.draw([(70, 70), (200, 70), (120, 230)], ANSWER_SECONDS)
        await second.close()
        self._tab.errors += second.errors

    async def _look_closer(self) -> None:
        await self._tab.choose("panel", self._pen.choice(["Layers", "Why", "Compare"]))

    async def _stop(self) -> None:
        if self._tab.finds("Stop training"):
            await self._tab.press("Stop training")

    async def _leave(self) -> None:
        """Go while the run goes on: whoever follows the run sees to it."""


DEEDS = (
    None,
    Visit._reload,
    Visit._lock_phone,
    Visit._open_second_tab,
    Visit._look_closer,
    Visit._stop,
    None,
    Visit._leave,
)
