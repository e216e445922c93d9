"""Training from the page while its visitor draws, against the command line: recipe "fast".

    python benchmarks/in_use.py [--runs 5] [--unbound]

The server and the browser are bound to one core, what trains to another, so that the browser's own load, which belongs
to the visitor's machine, does not count; a Chromium must be installed. From the page: a new visitor, who has looked at
it for two seconds, draws, presses Train and draws stroke after stroke until the page says "Done", while it ticks. From
the command line: `python -m mnist_core train`. The two take turns. Printed are medians and their ratios, how long an
answer takes from the pen's lifting (and how long one takes to a websocket session, tabs.py, for which nothing is
rendered), and the peak memory of the server and of what it started. With `--unbound` browser, server and training share
all cores, as on a laptop. Linux only: cores and memory are read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch
from playwright.sync_api import Browser, TimeoutError, sync_playwright

REPOSITORY = Path(__file__).parents[1]
sys.path += [str(REPOSITORY), str(REPOSITORY / "tests" / "browser")]
from children import Watch  # noqa: E402
from playground import BROWSER_OPTIONS, FILM, Playground, Point, Server, find_browser  # noqa: E402
from tabs import Tab  # noqa: E402
from weighing import CHILDREN, FORKING, MIB, SERVER  # noqa: E402

from mnist_core import RECIPES  # noqa: E402
from mnist_core.processor import cpu_name  # noqa: E402

RECIPE, IMAGES = "fast", 60_000
CANVAS_WAITS = 200  # milliseconds from the pen's lifting until the canvas sends
LONGEST_ANSWER = 5000  # milliseconds
LOOKS_AT_IT = 2000  # milliseconds that a new visitor takes before the first stroke
# Notes in the page itself, by its own clock: when the pen is lifted, and when the drawing, shown with the answer, is
# another one; when Train is pressed, and when the page says that it is done.
WATCH = f"""() => {{
    Object.assign(window, {{answerTimes: [], pressed: null, done: null}});
    let lifted = null, shown = {FILM};
    addEventListener('pointerup', event => {{
        const target = event.composedPath()[0];
        if (target.tagName === 'CANVAS') lifted = performance.now();
        if (target.closest('.st-key-train')) pressed = performance.now();
    }}, true);
    new MutationObserver(() => {{
        const now = {FILM}, told = [...document.querySelectorAll('[data-testid=stAlert]')];
        if (now !== shown && lifted !== null) {{ answerTimes.push(performance.now() - lifted); lifted = null; }}
        shown = now;
        if (done === null && told.some(box => box.textContent.includes('Done. It reads'))) done = performance.now();
    }}).observe(document.body, {{
        subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['src']
    }});
}}"""


@dataclass(frozen=True)
class Timed:
    """One run, in seconds: the epochs alone by the images per second that were shown; from its start to its end."""

    epochs: float
    whole: float


def some_stroke(pen: random.Random) -> list[Point]:
    """Three points of the canvas to draw through."""
    return [(pen.uniform(40, 240), pen.uniform(40, 240)) for _ in range(3)]


def draw(playground: Playground, pen: random.Random) -> None:
    """Two strokes somewhere, each of them answered before anything else happens; then away with them.

    On a machine with too much to do, a stroke may fall on the canvas that Clear is about to replace: it is given up.
    """
    page = playground.page
    for _ in range(2):
        before = page.evaluate("answerTimes.length")
        places = [playground.place(point) for point in some_stroke(pen)]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=6)
        page.mouse.up()
        with suppress(TimeoutError):
            page.wait_for_function("before => answerTimes.length > before", arg=before, timeout=LONGEST_ANSWER)
    playground.button("Clear").click()
    page.wait_for_function(f"() => ({FILM}) === null")


def train_on_page(browser: Browser, server: Server, run: int) -> tuple[Timed, list[float], list[float]]:
    """A new visitor trains by the recipe that the sidebar begins with, and draws.

    Returns:
        The times, and the milliseconds from the pen's lifting to the answer before the run and during it.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 1600})
    playground = Playground(context.new_page(), server).open()
    page, pen = playground.page, random.Random(run)
    page.evaluate(WATCH)
    page.wait_for_timeout(LOOKS_AT_IT)
    for _ in range(2):
        draw(playground, pen)
    quiet = page.evaluate("answerTimes.splice(0)")
    playground.button("Train").click()
    while page.evaluate("done") is None:
        draw(playground, pen)
    whole = page.evaluate("done - pressed") / 1000
    pace = images_per_second(playground.progress)
    busy = page.evaluate("answerTimes")
    playground.close()
    context.close()
    return Timed(RECIPES[RECIPE].epochs * IMAGES / pace, whole), quiet, busy


async def train_without_browser(server: Server, run: int) -> tuple[list[float], list[float]]:
    """A websocket session trains and draws, as fast as the canvas sends.

    Returns:
        The milliseconds from the sending of a stroke to its answer before the run and during it: the server's share.
    """
    tab, pen = Tab(server.url), random.Random(run)
    await tab.open()

    async def draw_two() -> list[float]:
        answers = []
        for _ in range(2):
            await asyncio.sleep(CANVAS_WAITS / 1000)
            answers.append(1000 * await tab.draw(some_stroke(pen)))
        before = tab.film
        await tab.press("Clear")
        await tab.wait(lambda: tab.film != before, "an empty canvas")
        return answers

    quiet, busy = await draw_two() + await draw_two(), []
    await tab.press("train")
    await tab.wait(lambda: not tab.finds("train"), "the run")
    while not tab.finds("train"):
        busy += await draw_two()
    await tab.close()
    assert not tab.errors, tab.errors
    return quiet, busy


def train_from_command_line(cores: Sequence[int], folder: str) -> Timed:
    """`python -m mnist_core train` with one thread on one of these cores; its whole is without start and imports."""
    command = [sys.executable, "-m", "mnist_core", "train", "--recipe", RECIPE, "--out", f"{folder}/weights.pth"]
    said = subprocess.run(
        ["taskset", "--cpu-list", ",".join(map(str, cores)), *command],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    whole = re.search(r"after ([\d.]+) s\.", said)
    assert whole, said
    return Timed(RECIPES[RECIPE].epochs * IMAGES / images_per_second(said), float(whole[1]))


def images_per_second(words: str) -> float:
    """The last pace that was told."""
    return float(re.findall(r"([\d,]+) images/s", words)[-1].replace(",", ""))


def report(name: str, values: list[float], unit: str = "s", places: int = 2) -> float:
    """Print the median of several values with the least and the most; returns the median."""
    middle = statistics.median(values)
    least, most = min(values), max(values)
    print(f"  {name}: median {middle:.{places}f} {unit} ({least:.{places}f} to {most:.{places}f}) of {len(values)}")
    return middle


@dataclass
class Measured:
    """What was measured, run after run.

    Attributes:
        page, command_line: the times of the trainings. answers: the milliseconds that answers took, by where and when.
    """

    page: list[Timed] = field(default_factory=list)
    command_line: list[Timed] = field(default_factory=list)
    answers: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def measure(server: Server, watch: Watch, runs: int) -> Measured:
    """Sessions without a browser; then the page and the command line in turns. The first of each only warms up."""
    measured = Measured()
    for run in range(runs + 1):
        before, during = asyncio.run(train_without_browser(server, run))
        if run:
            measured.answers["session before"] += before
            measured.answers["session during"] += during
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=BROWSER_OPTIONS)
        for run in range(runs + 1):
            timed, before, during = train_on_page(browser, server, run)
            by_command = train_from_command_line(watch.cores, folder)
            print(f"run {run}: page {timed.whole:.1f} s, command line {by_command.whole:.1f} s", flush=True)
            if run == 0:
                watch.life.clear()
                watch.computing.clear()
                continue
            measured.page.append(timed)
            measured.command_line.append(by_command)
            measured.answers["page before"] += before
            measured.answers["page during"] += during
        browser.close()
    return measured


def tell(measured: Measured, watch: Watch) -> None:
    """Print the medians and their ratios."""
    print("1. the epochs alone, from the first image to the last step")
    epochs = [report("from the page", [timed.epochs for timed in measured.page])]
    epochs.append(report("from the command line", [timed.epochs for timed in measured.command_line]))
    print(f"  ratio of the medians: {epochs[0] / epochs[1]:.2f}")
    print("2. from the start to the end, the test with it")
    report("on the page, from the press of Train to Done", [timed.whole for timed in measured.page])
    life = report("the page's training process, from its birth to its end", watch.life)
    report("of these, computing", watch.computing)
    whole = report("from the command line, without Python's start", [timed.whole for timed in measured.command_line])
    print(f"  ratio of the medians, process to command line: {life / whole:.2f}")
    print("3. from the pen's lifting to the answer on the page")
    report("before the run", measured.answers["page before"], "ms", 0)
    answer = report("during the run", measured.answers["page during"], "ms", 0)
    print(f"  beyond the {CANVAS_WAITS} ms that the canvas itself waits: {answer - CANVAS_WAITS:.0f} ms")
    print("4. from what the canvas sends to the answer, in a session for which nothing is rendered")
    report("before the run", measured.answers["session before"], "ms", 0)
    report("during the run", measured.answers["session during"], "ms", 0)
    print("5. peak memory")
    for name, roles in (("server", (SERVER, FORKING)), ("child", (CHILDREN,))):
        rss = max(sum(weight.rss[role] for role in roles) for weight in watch.scales.weights)
        pss = max(sum(weight.pss[role] for role in roles) for weight in watch.scales.weights)
        print(f"  {name}: RSS {rss / MIB:.0f} MiB, PSS {pss / MIB:.0f} MiB (shared pages divided)")


def main() -> None:
    """Take turns, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--unbound", action="store_true", help="browser, server and training share all cores")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or find_browser() is None:
        raise SystemExit("This needs two cores and an installed Chromium (Debian: apt install chromium).")
    page_cores, training_cores = (cores, cores) if arguments.unbound else (cores[:1], cores[1:2])
    os.sched_setaffinity(0, page_cores)  # and so all that is started from here
    print(f"{cpu_name()}, torch {torch.__version__}")
    print(f"the page on cores {page_cores}, training on cores {training_cores}")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder, "log"))
        process = next(one for one in psutil.Process().children() if "streamlit" in one.cmdline())
        watch = Watch(process, training_cores)
        watcher = threading.Thread(target=watch.run, daemon=True)
        watcher.start()
        try:
            measured = measure(server, watch, arguments.runs)
        finally:
            watch.over.set()
            watcher.join()
            server.stop()
    tell(measured, watch)


if __name__ == "__main__":
    main()
