"""The page as a person uses it: what a story says, done with a browser."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil
from PIL import Image
from playwright.sync_api import Locator, Page, expect

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 120.0  # with what takes a second or a few on an idle machine
PATIENCE = 1000 * PATIENCE_SECONDS  # Playwright counts in milliseconds
expect.set_options(timeout=PATIENCE)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

FILM = "document.querySelector('.film img')?.src ?? null"

Point = tuple[float, float]  # in canvas pixels, 0..280
SEVEN: list[Point] = [(70, 70), (200, 70), (120, 230)]
ONE: list[Point] = [(140, 50), (140, 230)]


def find_browser() -> str | None:
    """The path of a Chromium that is installed here."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """What `condition` returns, as soon as that is something."""
    deadline = monotonic() + PATIENCE_SECONDS
    while not (result := condition()):
        assert monotonic() < deadline, f"waited in vain for {what}"
        sleep(0.05)
    return result


class Server:
    """`streamlit run app.py`, or of another script, on a free port of this machine, what it logs, and its processes."""

    def __init__(self, log: Path, folder: Path = REPOSITORY, script: str = "app.py", **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        command = [sys.executable, "-m", "streamlit", "run", script, "--server.address", "127.0.0.1"]
        command += ["--server.port", str(port), "--server.headless", "true"]
        with log.open("w") as file:
            self._server = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **environment}, stdout=file, stderr=subprocess.STDOUT
            )
        wait_until(self._is_healthy, "the server")

    def _is_healthy(self) -> bool:
        assert self._server.poll() is None, f"the server has ended:\n{self.log.read_text()}"
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5) as answer:
                return answer.read() == b"ok"
        except OSError:
            return False

    @property
    def process_id(self) -> int:
        """The operating system's number for the server."""
        return self._server.pid

    def trainings(self) -> list[psutil.Process]:
        """The processes in which runs go on: children of the server's child that forks them."""
        try:
            family = psutil.Process(self._server.pid).children(recursive=True)
            return [one for one in family if one.ppid() != self._server.pid and one.status() != psutil.STATUS_ZOMBIE]
        except psutil.NoSuchProcess:  # one has ended in between
            return self.trainings()

    def end_trainings(self) -> None:
        """End what is still being trained."""
        trainings = self.trainings()
        for training in trainings:
            training.terminate()
        psutil.wait_procs(trainings, PATIENCE_SECONDS)

    def stop(self) -> None:
        """End the server as Ctrl+C does, and see that nothing of it is left."""
        family = psutil.Process(self._server.pid).children(recursive=True)
        self._server.send_signal(signal.SIGINT)
        self._server.wait(PATIENCE_SECONDS)
        _, left = psutil.wait_procs(family, PATIENCE_SECONDS)
        for process in left:
            process.kill()
        assert not left, f"processes outlived the server: {left}"

    def complaints(self) -> list[str]:
        """What a person who runs the server would worry about in its log: lines, and tracebacks in whole."""
        worry = re.compile("warn|deprecat|traceback|error|exception|critical|missing", re.IGNORECASE)
        traceback = r"Traceback \(.*\n(?:[ \t].*\n|\n)*.*"  # what is indented, and the exception
        return [found for found in re.findall(rf"{traceback}|.+", self.log.read_text()) if worry.search(found)]


class Playground:
    """One browser tab with the page in it, and all that the browser complained about."""

    def __init__(self, page: Page, server: Server) -> None:
        self.server = server
        self.complaints: list[str] = []
        self.leaving = False  # what is still being loaded when a page goes is cancelled, rightly
        self.page = page
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._listen_to_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("requestfailed", self._listen_to_failure)
        self.page.on("response", self._listen_to_response)
        self.page.on("request", self._listen_to_request)

    def _listen_to_console(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text} ({message.location})")

    def _listen_to_failure(self, request: Any) -> None:
        if not (self.leaving and request.failure == "net::ERR_ABORTED"):
            self.complaints.append(f"failed: {request.url} ({request.failure})")

    def _listen_to_response(self, response: Any) -> None:
        if response.status >= 400:
            self.complaints.append(f"status {response.status}: {response.url}")

    def _listen_to_request(self, request: Any) -> None:
        if not request.url.removeprefix("blob:").startswith((self.server.url, "data:")):
            self.complaints.append(f"from elsewhere: {request.url}")

    # Coming and going

    def open(self) -> Playground:
        """Go to the page, and wait until one can draw."""
        self.page.goto(self.server.url)
        return self.ready()

    def reload(self) -> Playground:
        """Load the page again."""
        self.leaving = True
        self.page.reload()
        self.leaving = False
        return self.ready()

    def ready(self) -> Playground:
        """Wait until one can draw and press Train, and the page knows its tab."""
        self.canvas.wait_for()
        self.page.locator(".st-key-train, .st-key-pause, .st-key-leave_queue").wait_for()
        self.settled()
        return self

    def settled(self) -> None:
        """Wait until the server has nothing more to say, but for what ticks during a run."""
        if not self.page.locator(".st-key-pause").is_visible():
            expect(self.page.locator(".stApp")).to_have_attribute("data-test-script-state", "notRunning")

    def duplicate(self) -> Playground:
        """The same page in a second tab, which the browser gives a copy of this one's sessionStorage."""
        with self.page.expect_popup() as popup:
            self.page.evaluate("window.open(location.href) && undefined")
        twin = Playground(popup.value, self.server)
        return twin.ready()

    def close(self) -> None:
        """Close the tab."""
        self.leaving = True
        self.page.close()

    # Drawing

    @property
    def canvas(self) -> Locator:
        return self.page.locator(".st-key-canvas canvas.upper-canvas")

    def place(self, point: Point) -> Point:
        """Where a point of the canvas lies in the window."""
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        assert box is not None
        return box["x"] + point[0], box["y"] + point[1]

    def draw(self, points: list[Point]) -> None:
        """Draw a stroke with the mouse, and wait until the server has taken it."""
        before = self.film()
        places = [self.place(point) for point in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=6)
        self.page.mouse.up()
        self.stroke_taken(before, points)

    def touch(self, points: list[Point]) -> None:
        """Draw a stroke with a finger, or tap with it when there is one point, and wait until the server has it."""
        before = self.film()
        places = [self.place(point) for point in points]
        fingers = self.page.context.new_cdp_session(self.page)
        between = [
            (x + (next_x - x) * at / 6, y + (next_y - y) * at / 6)
            for (x, y), (next_x, next_y) in pairwise(places)
            for at in range(1, 7)
        ]
        for kind, (x, y) in [("touchStart", places[0]), *(("touchMove", place) for place in between)]:
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        fingers.detach()
        self.stroke_taken(before, points)

    def change(self, name: str, touch: bool = False) -> None:
        """Press Clear, Undo or Example, and wait until server and canvas have another drawing than before."""
        before = self.film()
        button = self.button(name)
        button.tap() if touch else button.click()
        self.film_changed(before)
        self.in_step()

    def clear(self) -> None:
        """Press Clear, and wait until server and canvas have nothing left."""
        self.change("Clear")
        self.reads("Waiting for your digit")

    def film(self) -> str | None:
        """The drawing as the server has it, as the page shows it; None for an empty canvas."""
        return self.page.evaluate(FILM)

    def stroke_taken(self, before: str | None, points: list[Point]) -> None:
        """Wait until the server has another drawing than before, with ink at both ends of this stroke."""
        self.film_changed(before)
        ends = [(int(y) // 2, int(x) // 2) for x, y in (points[0], points[-1])]
        self.wait(lambda: all(self.ink_at_server()[end] > 64 for end in ends), "the stroke at the server")
        self.in_step()

    def in_step(self) -> None:
        """Wait until the server has what the canvas shows, and nothing is under way between them."""
        self.settled()

        def same() -> bool:
            canvas = Image.fromarray(self.ink_on_canvas())
            canvas.thumbnail((140, 140))  # as the film strip does
            return np.abs(np.asarray(canvas).astype(int) - self.ink_at_server()).max() <= 8

        self.wait(same, "server and canvas to be in step")

    def film_changed(self, before: str | None) -> None:
        """Wait until the server has another drawing than before."""
        self.page.wait_for_function(f"before => ({FILM}) !== before", arg=before)

    def ink_at_server(self) -> np.ndarray:
        """The drawing as the server has it: (140, 140) uint8, 255 = pen."""
        film = self.film()
        if film is None:
            return np.zeros((140, 140), np.uint8)
        return pixels_of(film).max(axis=2)

    def ink_on_canvas(self) -> np.ndarray:
        """The drawing as the canvas shows it: (280, 280) uint8, 255 = pen, whatever its colour."""
        return self.colours_on_canvas().max(axis=2)

    def colours_on_canvas(self) -> np.ndarray:
        """The drawing as the canvas shows it: (280, 280, 3) uint8."""
        canvas = self.page.locator(".st-key-canvas canvas.dc-canvas.lower-canvas")
        return pixels_of(canvas.evaluate("canvas => canvas.toDataURL('image/png')"))

    def colours_seen(self) -> np.ndarray:
        """The last picture of the film strip, as the answering network gets it: (H, W, 3) uint8."""
        return pixels_of(self.page.locator(".film img").last.get_attribute("src"))

    def shows(self, ink: np.ndarray) -> None:
        """Wait until the canvas shows this drawing, but for single pixels of smoothing."""
        self.wait(
            lambda: (np.abs(self.ink_on_canvas().astype(int) - ink) > 128).mean() < 0.002, "the drawing on the canvas"
        )

    # Reading

    def reads(self, verdict: str) -> None:
        """Wait until the verdict says this."""
        expect(self.page.locator(".verdict")).to_contain_text(verdict)

    def says(self, words: str | re.Pattern[str]) -> None:
        """Wait until the page says this somewhere."""
        self.page.get_by_text(words).first.wait_for()

    def answered_beyond(self, step: int) -> int:
        """Wait until the visitor's own network has answered after more than `step` steps; after how many it was."""

        def answered() -> int | None:
            words = self.page.get_by_text(re.compile("^Answered by (the|my) ")).inner_text()
            return now if "my network" in words and (now := number_in(words, "after")) > step else None

        return self.wait(answered, f"an answer after step {step}")

    def loss_chart_width(self) -> float:
        """How far to the right the curve in the loss chart has come, in pixels."""
        return self.page.evaluate(
            """() => {
                const lines = document.querySelectorAll('[aria-label^="Loss"] .mark-line path');
                return lines.length ? Math.max(...[...lines].map(line => line.getBBox().width)) : 0;
            }"""
        )

    # Pressing

    def button(self, name: str) -> Locator:
        """A button in the main part of the page."""
        return self.page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        self.button(name).click()

    def switch_to(self, network: str) -> None:
        """Choose which network answers."""
        self.page.get_by_role("radio", name=network).click()

    def speak(self, language: str) -> None:
        """Choose the language of the page."""
        self.page.get_by_role("radio", name=language, exact=True).click()

    def set_number(self, label: str, value: int) -> None:
        """Type a number into the sidebar."""
        field = self.page.get_by_role("spinbutton", name=label).or_(self.page.get_by_label(label, exact=True)).first
        if not field.is_visible():
            self.page.get_by_test_id("stSidebar").get_by_text("More settings").click()
        field.fill(str(value))
        field.press("Enter")
        self.settled()

    def switch_to_colour(self) -> None:
        """Turn the switch for digits in colour."""
        self.page.get_by_test_id("stSidebar").get_by_text("Colour digits").click()
        self.page.get_by_test_id("stColorPicker").wait_for()
        self.settled()

    def choose_pen(self, colour: str) -> None:
        """Type the colour of the pen, "#rrggbb"."""
        self.page.get_by_test_id("stColorPickerBlock").click()
        field = self.page.get_by_test_id("stColorPickerPopover").locator("input").first
        field.fill(colour)
        self.page.keyboard.press("Escape")
        self.settled()

    def value(self, label: str) -> str:
        """What stands in a field of the sidebar."""
        return (
            self.page.get_by_test_id("stSidebar")
            .get_by_label(re.compile(label))
            .and_(self.page.locator("input"))
            .first.input_value()
        )

    def choose(self, label: str, option: str) -> None:
        """Choose from a list in the sidebar."""
        self.page.get_by_role("combobox", name=re.compile(label)).click()
        self.page.get_by_role("option", name=option).click()
        self.settled()

    def train(self) -> None:
        """Press Train in the main part, and wait until the first batches are told."""
        self.page.locator(".st-key-train button").click()
        self.says("images/s")

    @property
    def progress(self) -> str:
        """The words above the progress bar."""
        return self.page.locator(".stProgress").first.inner_text()

    def step(self) -> int:
        """How many steps the run has made, as the page says; 0 before the first."""
        words = self.progress
        return number_in(words, "step") if "step" in words else 0

    def step_beyond(self, step: int) -> int:
        """Wait until the run has made more than `step` steps."""
        return self.wait(lambda: now if (now := self.step()) > step else None, f"a step after {step}")

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """What `condition` returns, as soon as that is something; the browser works on meanwhile."""

        def look() -> Any:
            self.page.wait_for_timeout(50)
            return condition()

        return wait_until(look, what)

    def scroll_to_top(self) -> None:
        """Show the top of the page."""
        self.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")

    @property
    def overflow(self) -> int:
        """How many pixels the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def pixels_of(url: str) -> np.ndarray:
    """The picture in a data URL: (H, W, 3) uint8."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))


def number_in(words: str, name: str) -> int:
    """The number behind a word: ("step 1,204, ...", "step") -> 1204."""
    found = re.search(rf"{name} ([\d,]*\d)", words)
    assert found, f"no number behind {name!r} in {words!r}"
    return int(found[1].replace(",", ""))
