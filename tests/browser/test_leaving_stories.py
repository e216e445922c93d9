"""A class comes and goes: of those who have left, nothing stays in the server. No browser is needed for that."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playground import PATIENCE_SECONDS, REPOSITORY, Server

sys.path.append(str(REPOSITORY / "benchmarks"))
from tabs import Tab

# The page itself, and below it how many visitors there are that anything still refers to.
COUNTING_PAGE = f"""
import sys, weakref
{Path(REPOSITORY, "app.py").read_text()}
known = vars(sys.modules["mnist_ui"]).setdefault("visitors_of_this_test", weakref.WeakSet())
known.add(st.session_state["visitor"])
st.text(f"{{len(known)}} visitors are known")
"""


async def draw_and_look(tab: Tab) -> None:
    await tab.draw([(70, 70), (200, 70), (120, 230)])
    await tab.choose("panel", "Layers")
    await tab.wait(lambda: tab.is_quiet, "the lesson")
    await tab.press("Clear")
    await tab.wait(lambda: tab.is_quiet, "the empty canvas")


async def train(tab: Tab) -> None:
    await tab.set_number("setting_train_images", 1000)
    await tab.wait(lambda: tab.is_quiet, "the setting")
    await tab.press("train")
    await tab.wait(lambda: "Done." in tab.words("alert"), "the end of the run")
    await tab.draw([(140, 50), (140, 230)])


async def leave_while_training(tab: Tab) -> None:
    await tab.press("train")
    await tab.wait(lambda: not tab.finds("train"), "the run")


async def reload(tab: Tab) -> None:
    await tab.draw([(140, 50), (140, 230)])
    await tab.reload()


async def lose_the_connection(tab: Tab) -> None:
    await tab.draw([(140, 50), (140, 230)])
    await tab.drop()
    await tab.come_back()
    await tab.draw([(70, 50), (70, 230)])


STAYS: list[Callable[[Tab], Awaitable[None]]] = [
    draw_and_look,
    train,
    leave_while_training,
    reload,
    lose_the_connection,
]


async def stay(url: str, what: Callable[[Tab], Awaitable[None]]) -> list[str]:
    tab = Tab(url)
    await tab.open()
    await what(tab)
    await tab.close()
    return tab.errors


async def come_and_go(server: Server) -> None:
    """One comes first and stays; the others leave, and soon the page knows of no more than the one."""
    witness = Tab(server.url)
    await witness.open()
    for what in STAYS:
        assert await stay(server.url, what) == []
    await witness.ask_for_page()
    assert "visitors are known" in witness.words("text")
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while "1 visitors are known" not in witness.words("text"):
        assert asyncio.get_running_loop().time() < deadline, witness.words("text")
        await asyncio.sleep(0.5)
        await witness.ask_for_page()
    await witness.close()
    assert witness.errors == []


def test_of_those_who_have_left_nothing_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.py"
    page.write_text(COUNTING_PAGE)
    server = Server(
        tmp_path / "log", script=str(page), DIGIT_PLAYGROUND_GRACE_SECONDS="2", DIGIT_PLAYGROUND_KEPT_SECONDS="4"
    )
    try:
        with ThreadPoolExecutor(1) as thread:  # in this one Playwright's own loop is running
            thread.submit(asyncio.run, come_and_go(server)).result()
    finally:
        server.stop()
    assert server.complaints() == []
