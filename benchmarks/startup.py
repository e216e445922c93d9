"""How soon somebody can draw and is answered: after the start of a server, and after the load of a page.

    python benchmarks/startup.py [--starts 5] [--against FOLDER]

A server is started, the page is opened in a Chromium as soon as the server answers at all, and a seven is drawn as soon
as the canvas is there; then the same on the server that is warm. Printed are the medians. The browser's own share is
shown: until it has loaded Streamlit's JavaScript and asks the server for the page, nothing of ours has run; and from
the pen's lifting the canvas waits 200 ms before it sends. What is left of it when a browser costs nothing is told by a
websocket session (tabs.py), to which the server shows the same page. `--against` names another checkout of this
repository, a worktree of an older commit say, and the two take turns. A Chromium must be installed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import sleep, time

import torch
from playwright.sync_api import BrowserContext, sync_playwright

REPOSITORY = Path(__file__).parents[1]
sys.path += [str(REPOSITORY), str(REPOSITORY / "tests" / "browser")]
from playground import BROWSER_OPTIONS, FILM, PATIENCE, SEVEN, Playground, Server, find_browser  # noqa: E402
from tabs import Tab  # noqa: E402

from mnist_core.processor import cpu_cores, cpu_name  # noqa: E402

# Notes in the page itself, by the clock that this script has too, in milliseconds, when something is first seen.
WATCH = f"""
    window.seen = {{}};
    const note = (name) => {{ seen[name] ??= performance.timeOrigin + performance.now(); }};
    note('page loads');
    window.WebSocket = class extends WebSocket {{
        constructor(...told) {{
            super(...told);
            note('browser asks for the page');
            this.addEventListener('message', () => note('first message'));
        }}
    }};
    addEventListener('pointerup', () => note('pen lifted'), true);
    (function look() {{
        const roots = [...document.querySelectorAll('.st-key-canvas *')].map((one) => one.shadowRoot);
        if (roots.some((root) => root?.querySelector('canvas.upper-canvas'))) note('canvas');
        if (seen['pen lifted'] && ({FILM})) note('answer');
        if (document.querySelector('.st-key-train')) note('Train');
        requestAnimationFrame(look);
    }})();
"""
STAGES = ("page loads", "browser asks for the page", "first message", "canvas", "pen lifted", "answer", "Train")

Times = dict[str, list[float]]  # seconds by what happened then


async def visit_without_browser(server: Server, since: float, times: Times) -> None:
    """Ask for the page, draw as soon as there is a canvas, and note when what came, from `since` on."""
    tab = Tab(server.url)
    await tab.load()
    await tab.wait(lambda: tab.has_canvas, "the canvas")
    times["canvas"].append(time() - since)
    await tab.draw(list(SEVEN))
    times["answer"].append(time() - since)
    await tab.wait(lambda: tab.is_whole, "the page")
    times["Train"].append(time() - since)
    await tab.close()
    assert not tab.errors, tab.errors


def visit(context: BrowserContext, server: Server, since: float, times: Times) -> None:
    """Open the page in a new tab, draw as soon as there is a canvas, and note when what was seen, from `since` on."""
    page = context.new_page()
    playground = Playground(page, server)
    page.add_init_script(WATCH)
    page.goto(server.url, wait_until="commit")
    playground.canvas.wait_for()
    places = [playground.place(point) for point in SEVEN]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    page.mouse.up()
    page.wait_for_function("seen['answer'] && seen['Train']", timeout=PATIENCE)
    playground.settled()
    for name, seen in page.evaluate("seen").items():
        times[name].append(seen / 1000 - since)
    playground.close()


def start_and_visit(visit: Callable[[Server, float, Times], None], folder: Path, cold: Times, warm: Times) -> None:
    """Start a server, visit it at once and once more when it is warm, and end it."""
    started = time()
    with tempfile.TemporaryDirectory() as logs:
        server = Server(Path(logs, "log"), folder)
        try:
            cold["server answers"].append(time() - started)
            visit(server, started, cold)
            sleep(3)  # what is still imported after the first page
            visit(server, time(), warm)
        finally:
            server.stop()


def report(title: str, times: Times) -> None:
    """Print medians, least and most, and what passed since the stage before."""
    print(title)
    before = 0.0
    for name in ("server answers", *STAGES):
        if times[name]:
            median = statistics.median(times[name])
            spread = f"{min(times[name]):.2f} to {max(times[name]):.2f}"
            print(f"  {name:>26}: {median:5.2f} s ({spread}; {median - before:+.2f} s)")
            before = median


def measure(visit: Callable[[Server, float, Times], None], folders: dict[str, Path], starts: int, whose: str) -> None:
    """Let the checkouts take turns, and print what was seen."""
    measured: dict[str, tuple[Times, Times]] = {name: (defaultdict(list), defaultdict(list)) for name in folders}
    for start in range(starts + 1):  # the first, which warms files and browser, is not counted
        for name, folder in folders.items():
            uncounted = (defaultdict(list), defaultdict(list))
            start_and_visit(visit, folder, *(measured[name] if start else uncounted))
    for name, (cold, warm) in measured.items():
        report(f"{name}, {whose}: seconds from the server's start", cold)
        report(f"{name}, {whose}: seconds from the page's load, on a warm server", warm)


def main() -> None:
    """Without a browser, then with one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--against", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    path = find_browser()
    if path is None:
        raise SystemExit("This needs an installed Chromium (Debian: apt install chromium).")
    folders = {"this one": REPOSITORY} | ({"the other": arguments.against.resolve()} if arguments.against else {})
    print(f"{cpu_name()}, {cpu_cores()} cores, torch {torch.__version__}; {arguments.starts} starts, medians")

    def visit_by_session(server: Server, since: float, times: Times) -> None:
        asyncio.run(visit_without_browser(server, since, times))

    measure(visit_by_session, folders, arguments.starts, "a websocket session")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_OPTIONS)
        context = browser.new_context(viewport={"width": 1440, "height": 1600})
        context.new_page()  # the browser itself has started
        measure(partial(visit, context), folders, arguments.starts, "a browser")
        browser.close()


if __name__ == "__main__":
    main()
