"""What browsers send is bounded here before Streamlit keeps it: the states of components, and uploaded files.

Streamlit reads a component's state as JSON wherever it needs it, also before the page's own script begins. One that
cannot be read would then stop every later run in its session, and the page would be dead until it is loaded again.
Uploaded files it keeps until their session ends, and whoever can speak HTTP may send any number of them.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections import deque
from typing import Any

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

LARGEST_STATE = 2_600_000  # characters: the strokes and the picture of a canvas
MOST_CONTAINERS = 100_000  # lists and objects in it; a canvas full of strokes has half as many
DEEPEST = 50  # a canvas has seven levels
TEXT = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)  # in JSON; one without an end goes on to the end
MOST_STATES = 1000  # of widgets in a message; the page has fewer than a hundred
MOST_FILES = 3  # of a session; the page reads a file as soon as it has come
MOST_SHELVED, LARGEST_FILES = 1000, 100_000_000  # files, and their bytes, of all sessions


def bound() -> None:
    """From now on, look at what browsers send before Streamlit does; once in a server."""
    if not hasattr(Runtime.handle_backmsg, "__wrapped__"):
        Runtime.handle_backmsg = checked(Runtime.handle_backmsg)  # type: ignore[method-assign]
        MemoryUploadedFileManager.add_file = shelved(MemoryUploadedFileManager.add_file)  # type: ignore[method-assign]


def checked(handle: Any) -> Any:
    """`Runtime.handle_backmsg` without the states that no component of ours would send."""

    @functools.wraps(handle)
    def handle_sound(self: Runtime, session_id: str, message: BackMsg, *rest: Any, **options: Any) -> None:
        leave_out_unsound(message)
        handle(self, session_id, message, *rest, **options)

    return handle_sound


def leave_out_unsound(message: BackMsg) -> None:
    """Take out of a message the states that cannot be kept; the widgets stay as they were before."""
    if message.WhichOneof("type") != "rerun_script":
        return
    states = message.rerun_script.widget_states.widgets
    del states[MOST_STATES:]
    for index in reversed(range(len(states))):
        state = states[index]
        kind = state.WhichOneof("value")
        if kind in ("json_value", "json_trigger_value") and not is_sound(getattr(state, kind)):
            del states[index]


def is_sound(state: str) -> bool:
    """Whether a text is JSON that can be read in a bounded amount of memory, wherever it is read."""
    if len(state) > LARGEST_STATE or state.count("[") + state.count("{") > MOST_CONTAINERS:
        return False
    if depth(state) > DEEPEST:
        return False
    try:
        json.loads(state)
    except (ValueError, RecursionError):
        return False
    return True


def depth(state: str) -> int:
    """How deep the lists and objects of a JSON text lie in each other."""
    signs = np.frombuffer(TEXT.sub(b"", state.encode("utf-8", "replace")), np.uint8)
    steps = np.zeros(len(signs), np.int32)
    for opening, closing in (b"[]", b"{}"):
        steps += signs == opening
        steps -= signs == closing
    return int(np.cumsum(steps).max(initial=0))


def shelved(add_file: Any) -> Any:
    """`MemoryUploadedFileManager.add_file` that lets go of the oldest files when there are too many."""
    shelf: deque[tuple[str, str, int]] = deque()  # session, file, bytes; the oldest first
    lock = threading.Lock()

    @functools.wraps(add_file)
    def add_and_bound(self: MemoryUploadedFileManager, session_id: str, file: UploadedFileRec) -> None:
        add_file(self, session_id, file)
        with lock:
            for one in [one for one in shelf if one[:2] == (session_id, file.file_id)]:
                shelf.remove(one)  # the same file again
            shelf.append((session_id, file.file_id, len(file.data)))
            own = [one for one in shelf if one[0] == session_id]
            gone = own[:-MOST_FILES]
            for one in gone:
                shelf.remove(one)
            while len(shelf) > MOST_SHELVED or sum(size for _session, _file, size in shelf) > LARGEST_FILES:
                gone.append(shelf.popleft())
        for session, name, _size in gone:
            self.remove_file(session, name)

    return add_and_bound
