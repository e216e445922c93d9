"""Training from the page while its visitor draws, against the command line: recipe "fast".

    python benchmarks/in_use.py [--runs 5]

The server and the browser are bound to one core, what trains to another, so that the browser's own load, which belongs
to the visitor's machine, does not count; a Chromium must be installed. From the page: a new visitor presses Train and
draws stroke after stroke until the page says "Done", while it ticks. From the command line: `python -m mnist_core
train`. The two take turns. Printed are medians and their ratios, how long an answer takes from the pen's lifting, and
the peak memory of the server and of what it started. Linux only: cores and memory are read from /proc.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep

import psutil
import torch
from playwright.sync_api import Browser, TimeoutError, sync_playwright

REPOSITORY = Path(__file__).parents[1]
sys.path += [str(REPOSITORY), str(REPOSITORY / "tests" / "browser")]
from playground import BROWSER_OPTIONS, FILM, Playground, Point, Server, find_browser  # noqa: E402

from mnist_core import RECIPES  # noqa: E402
from mnist_core.processor import cpu_name  # noqa: E402

RECIPE, IMAGES = "fast", 60_000
LOOK_EVERY, WEIGH_EVERY = 0.01, 0.3  # seconds; adding up the memory takes some milliseconds of the server's core
CANVAS_WAITS = 200  # milliseconds from the pen's lifting until the canvas sends
LONGEST_ANSWER = 5000  # milliseconds
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


def children(process_id: int) -> list[int]:
    """The processes that a process has started and that are still known."""
    try:
        tasks = Path(f"/proc/{process_id}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has just ended
        return []


@dataclass
class Watch:
    """Binds every training child of a server to a core as soon as it appears, and notes what it took.

    Attributes:
        life: seconds that each child lived. computing: of these, seconds on the core.
        peaks: the largest memory in bytes of "server" (with the process that forks) and "child", as (RSS, PSS).
    """

    server: int
    core: int
    life: list[float] = field(default_factory=list)
    computing: list[float] = field(default_factory=list)
    peaks: dict[str, tuple[int, int]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look until `over`; for a thread of its own."""
        alive: dict[int, tuple[float, float]] = {}  # child: when it appeared, its seconds of computing
        weighed = 0.0
        while not self.over.is_set():
            parents = children(self.server)
            seen = [child for parent in parents for child in children(parent)]
            for child in seen:
                appeared, _ = alive.get(child, (perf_counter(), 0.0))
                if (spent := self.bind(child)) is not None:
                    alive[child] = (appeared, spent)
                elif child in alive:
                    self.bury(*alive.pop(child))
            for child in set(alive) - set(seen):
                self.bury(*alive.pop(child))
            if perf_counter() - weighed > WEIGH_EVERY:
                self.weigh("server", [self.server, *parents])
                self.weigh("child", list(alive))
                weighed = perf_counter()
            sleep(LOOK_EVERY)

    def bind(self, child: int) -> float | None:
        """Bind all threads of a process; the seconds that it has computed, None when it has ended."""
        try:
            for task in Path(f"/proc/{child}/task").iterdir():
                os.sched_setaffinity(int(task.name), {self.core})
            process = psutil.Process(child)
            spent = process.cpu_times()
            return None if process.status() == psutil.STATUS_ZOMBIE else spent.user + spent.system
        except (OSError, psutil.Error):
            return None

    def bury(self, appeared: float, spent: float) -> None:
        """Note what an ended child took."""
        self.life.append(perf_counter() - appeared)
        self.computing.append(spent)

    def weigh(self, name: str, processes: list[int]) -> None:
        """Add up the memory of some processes."""
        rss, pss = 0, 0
        for process in processes:
            try:
                memory = psutil.Process(process).memory_full_info()
            except psutil.Error:
                continue
            rss, pss = rss + memory.rss, pss + memory.pss
        before = self.peaks.get(name, (0, 0))
        self.peaks[name] = max(before[0], rss), max(before[1], pss)


@dataclass(frozen=True)
class Timed:
    """One run, in seconds: the epochs alone by the images per second that were shown; from its start to its end."""

    epochs: float
    whole: float


def draw(playground: Playground, pen: random.Random) -> None:
    """Two strokes somewhere, each of them answered before anything else happens; then away with them.

    On a machine with too much to do, a stroke may fall on the canvas that Clear is about to replace: it is given up.
    """
    page = playground.page
    for _ in range(2):
        stroke: list[Point] = [(pen.uniform(40, 240), pen.uniform(40, 240)) for _ in range(3)]
        before = page.evaluate("answerTimes.length")
        places = [playground.place(point) for point in stroke]
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


def train_from_command_line(core: int, folder: str) -> Timed:
    """`python -m mnist_core train` with one thread on one core; its whole is without Python's start and the imports."""
    command = [sys.executable, "-m", "mnist_core", "train", "--recipe", RECIPE, "--out", f"{folder}/weights.pth"]
    said = subprocess.run(
        ["taskset", "--cpu-list", str(core), *command],
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


def main() -> None:
    """Take turns, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    cores, path = sorted(os.sched_getaffinity(0)), find_browser()
    if len(cores) < 2 or path is None:
        raise SystemExit("This needs two cores and an installed Chromium (Debian: apt install chromium).")
    page_core, training_core = cores[:2]
    os.sched_setaffinity(0, {page_core})  # and so all that is started from here
    print(f"{cpu_name()}, torch {torch.__version__}")
    print(f"the page on core {page_core}, training on core {training_core}")
    from_page: list[Timed] = []
    from_command_line: list[Timed] = []
    quiet: list[float] = []
    busy: list[float] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder, "log"))
        started = psutil.Process().children()
        watch = Watch(next(one.pid for one in started if "streamlit" in one.cmdline()), training_core)
        watcher = threading.Thread(target=watch.run, daemon=True)
        watcher.start()
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_OPTIONS)
        try:
            for run in range(arguments.runs + 1):  # the first, which warms the server and the files, is not counted
                timed, before, during = train_on_page(browser, server, run)
                by_command = train_from_command_line(training_core, folder)
                print(f"run {run}: page {timed.whole:.1f} s, command line {by_command.whole:.1f} s", flush=True)
                if run:
                    from_page.append(timed)
                    from_command_line.append(by_command)
                    quiet += before
                    busy += during
                else:
                    watch.life.clear()
                    watch.computing.clear()
        finally:
            browser.close()
            watch.over.set()
            watcher.join()
            server.stop()
    print("1. the epochs alone, from the first image to the last step")
    epochs = [report("from the page", [timed.epochs for timed in from_page])]
    epochs.append(report("from the command line", [timed.epochs for timed in from_command_line]))
    print(f"  ratio of the medians: {epochs[0] / epochs[1]:.2f}")
    print("2. from the start to the end, the test with it")
    report("on the page, from the press of Train to Done", [timed.whole for timed in from_page])
    life = report("the page's training process, from its birth to its end", watch.life)
    report("of these, computing", watch.computing)
    whole = report("from the command line, without Python's start", [timed.whole for timed in from_command_line])
    print(f"  ratio of the medians, process to command line: {life / whole:.2f}")
    print("3. from the pen's lifting to the answer on the page")
    report("before the run", quiet, "ms", 0)
    answer = report("during the run", busy, "ms", 0)
    print(f"  beyond the {CANVAS_WAITS} ms that the canvas itself waits: {answer - CANVAS_WAITS:.0f} ms")
    print("4. peak memory")
    for name, (rss, pss) in watch.peaks.items():
        print(f"  {name}: RSS {rss / 2**20:.0f} MiB, PSS {pss / 2**20:.0f} MiB (shared pages divided)")


if __name__ == "__main__":
    main()
