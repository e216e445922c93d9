"""A request for a part of the page waits until the run before has said all, with Streamlit's own runner of scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.scriptrunner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests, ScriptRequestType

from mnist_ui.last_words import LOOK_AGAIN_AFTER, is_saying_last_words, let_them_be_said, patient

PART, WHOLE = ClientState(fragment_id="part"), ClientState()


class Session:
    """As much of an AppSession as a request looks at; the requests of its runner are Streamlit's own."""

    def __init__(self) -> None:
        self.requests = ScriptRequests()
        self._scriptrunner = SimpleNamespace(_requests=self.requests)
        self._state = AppSessionState.APP_IS_RUNNING
        self._event_loop = asyncio.get_running_loop()
        self.asked: list[ClientState | None] = []
        self._request = patient(lambda session, state: session.asked.append(state))

    def ask(self, client_state: ClientState | None) -> None:
        self._request(self, client_state)


def carry_out(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """On a thread of its own: on this one the loop of the browser's stories may be running."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, story()).result()


def test_a_part_of_the_page_waits_for_last_words() -> None:
    async def story() -> None:
        session = Session()
        session.ask(PART)
        assert session.asked == [PART]  # the run goes on, and takes the request up itself
        assert session.requests.on_scriptrunner_ready().type == ScriptRequestType.STOP  # it has ended
        session.ask(PART)
        await asyncio.sleep(3 * LOOK_AGAIN_AFTER)
        assert session.asked == [PART]  # the second one waits
        session._scriptrunner = None  # all has been said
        await asyncio.sleep(3 * LOOK_AGAIN_AFTER)
        assert session.asked == [PART, PART]

    carry_out(story)


def test_requests_keep_their_order() -> None:
    async def story() -> None:
        session, first, second = Session(), ClientState(fragment_id="first"), ClientState(fragment_id="second")
        session.requests.request_stop()
        session.ask(first)
        session.ask(second)
        assert session.asked == []
        session.ask(WHOLE)  # says all that was to be said: nothing needs to wait any more
        assert session.asked == [first, second, WHOLE]
        await asyncio.sleep(3 * LOOK_AGAIN_AFTER)
        assert session.asked == [first, second, WHOLE]
        session.ask(first)
        session._scriptrunner = None
        session.ask(second)
        assert session.asked == [first, second, WHOLE]
        await asyncio.sleep(3 * LOOK_AGAIN_AFTER)
        assert session.asked == [first, second, WHOLE, first, second]

    carry_out(story)


def test_a_session_that_ends_waits_for_nothing() -> None:
    async def story() -> None:
        session = Session()
        session.requests.request_stop()
        assert is_saying_last_words(session)
        session._state = AppSessionState.SHUTDOWN_REQUESTED
        session.ask(PART)
        assert session.asked == [PART]

    carry_out(story)


def test_streamlit_has_what_this_relies_upon() -> None:
    let_them_be_said()
    let_them_be_said()
    assert not hasattr(AppSession.request_rerun.__wrapped__, "__wrapped__")  # once
    runner = Mock(_requests=ScriptRequests())
    ScriptRunner.request_stop(runner)  # by way of these very requests
    assert runner._requests._state == ScriptRequestType.STOP
