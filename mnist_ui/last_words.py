"""Lets a run of the page's script say all that it has to say before the next one begins.

Streamlit ends the thread of a run before the run's last messages have been passed on. When the browser asks for another
run just then, as a page that ticks often does, Streamlit begins it, and drops what is still on its way: the answer to a
stroke was lost about once in sixty strokes, with thirty visitors on two cores.
"""

from __future__ import annotations

import functools
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

LOOK_AGAIN_AFTER = 0.005  # seconds


def let_them_be_said() -> None:
    """From now on, let requests for a part of the page wait for the last words of the run before; once in a server."""
    if not hasattr(AppSession.request_rerun, "__wrapped__"):
        AppSession.request_rerun = patient(AppSession.request_rerun)  # type: ignore[method-assign]


def patient(request: Any) -> Any:
    """`AppSession.request_rerun`, which is called on the session's event loop, with patience; the order is kept."""
    waiting: WeakKeyDictionary[AppSession, deque[ClientState]] = WeakKeyDictionary()

    @functools.wraps(request)
    def request_rerun(session: AppSession, client_state: ClientState | None) -> None:
        earlier = waiting.setdefault(session, deque())
        if client_state is not None and client_state.fragment_id and (earlier or is_saying_last_words(session)):
            if not earlier:
                session._event_loop.call_later(LOOK_AGAIN_AFTER, look_again, session)
            earlier.append(client_state)
            return
        while earlier:  # what widgets told with them must not come after what they tell now
            request(session, earlier.popleft())
        request(session, client_state)

    def look_again(session: AppSession) -> None:
        earlier = waiting[session]
        while earlier and not is_saying_last_words(session):
            request(session, earlier.popleft())
        if earlier:
            session._event_loop.call_later(LOOK_AGAIN_AFTER, look_again, session)

    return request_rerun


def is_saying_last_words(session: AppSession) -> bool:
    """Whether a run has ended whose messages are still on their way; a whole new page says all of them anyway."""
    runner = session._scriptrunner
    return (
        runner is not None
        and runner._requests._state == ScriptRequestType.STOP
        and session._state != AppSessionState.SHUTDOWN_REQUESTED
    )
