"""The start of a server: what the first visitor is sent before PyTorch is imported, and that none of it is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_parts import visitor_of, words
from streamlit.testing.v1 import AppTest

from mnist_ui.browser import FETCHED_AHEAD, files_ahead
from mnist_ui.drawing import Drawer, Drawing
from mnist_ui.session import DRAWER_KEY

APP = Path(__file__).parents[2] / "app.py"
PATIENCE_SECONDS = 60.0  # with what takes a second on an idle machine
# The real script in a fresh interpreter; of every message to the browser it is noted whether PyTorch was there.
FIRST_PAGE = """
import json, sys
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.testing.v1 import AppTest

HEAVY = ("torch", "altair")
sent, enqueue = [], ForwardMsgQueue.enqueue

def note(queue, message):
    if message.HasField("delta"):
        path = list(message.metadata.delta_path)
        sent.append({"path": path, "said": str(message.delta), "heavy": [one for one in HEAVY if one in sys.modules]})
    enqueue(queue, message)

ForwardMsgQueue.enqueue = note
page = AppTest.from_file(sys.argv[1], default_timeout=float(sys.argv[2]))
for name, value in json.loads(sys.argv[3]).items():
    page.query_params[name] = value
page.run()
assert not page.exception
print(json.dumps(sent))
"""


def messages_of_first_page(**query: str) -> list[dict[str, Any]]:
    """All that the first visitor of a server is sent, in its order."""
    finished = subprocess.run(
        [sys.executable, "-c", FIRST_PAGE, str(APP), str(PATIENCE_SECONDS), json.dumps(query)],
        env={**os.environ, "PYTHONPATH": str(APP.parent)},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def sent_with(messages: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    return [message for message in messages if text in message["said"]]


@pytest.fixture(scope="module")
def messages() -> list[dict[str, Any]]:
    return messages_of_first_page()


@pytest.mark.parametrize(
    "text", ["Digit playground", "streamlit_drawable_canvas", "Brush width", "Example", "Training"]
)
def test_the_canvas_and_what_is_above_it_are_sent_before_pytorch_is_imported(messages, text) -> None:
    assert sent_with(messages, text)[0]["heavy"] == []


def test_the_answer_is_sent_before_altair_is_imported(messages) -> None:
    assert sent_with(messages, "Waiting for your digit")[0]["heavy"] == ["torch"]


@pytest.mark.parametrize("text", ["Digit playground", "streamlit_drawable_canvas", "Brush width", "Example"])
def test_what_was_sent_early_keeps_its_place(messages, text) -> None:
    first, last = sent_with(messages, text)[0], sent_with(messages, text)[-1]
    assert last["heavy"], "the whole page was never drawn"
    assert (first["path"], first["said"]) == (last["path"], last["said"])


def test_a_link_gives_the_early_canvas_its_language_and_its_pen() -> None:
    messages = messages_of_first_page(lang="es", colour="yes", epochs="3")
    early = [message for message in messages if not message["heavy"]]
    assert sent_with(early, "Grosor del trazo")
    assert not sent_with(messages, "Brush width")
    assert sent_with(early, "color_picker")
    assert "#ff9f1c" in sent_with(early, "streamlit_drawable_canvas")[0]["said"]


def test_what_was_drawn_before_pytorch_was_there_is_the_visitors_and_answered() -> None:
    ink = np.zeros((280, 280), np.uint8)
    ink[50:230, 130:150] = 255
    drawer = Drawer()
    drawer.draw(Drawing(ink, ({"type": "Path"},), b"as sent"))
    page = AppTest.from_file(APP, default_timeout=PATIENCE_SECONDS)
    page.session_state[DRAWER_KEY] = drawer
    page.run()
    assert not page.exception
    assert visitor_of(page).drawing is drawer.drawing
    assert visitor_of(page).undo == drawer.undo
    assert "It's a 1" in words(page)


def test_what_the_browser_fetches_ahead_is_there_in_streamlit() -> None:
    assert [file.partition(".")[0] for file in files_ahead()] == list(FETCHED_AHEAD)
