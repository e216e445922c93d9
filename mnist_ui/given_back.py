"""Gives back the memory of those who have gone for good: what Streamlit, Python and the C library keep of them."""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys

from streamlit import runtime

HEAPS = 2  # of the C library, for all threads together
M_ARENA_MAX = -8  # the number of that setting in malloc.h


def share_heaps() -> None:
    """Let all threads share a few of the C library's heaps, where that is glibc; once, early in a server.

    Streamlit runs the script on ever new threads. Given a heap each, as is usual, what one has freed is of no use to
    the others, and the server seems to grow.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(M_ARENA_MAX, HEAPS)


def close_session(session_id: str) -> None:
    """Let Streamlit forget a session whose page has gone.

    Streamlit keeps it, and by its state the visitor, in case that the page connects again. When that time is over it
    forgets it only as soon as another page goes: of a class that has left together, everybody would stay.
    """
    if runtime.exists():
        runtime.get_instance().clear_user_info_for_session(session_id)  # closes it, on whichever thread that may be


def keep_what_is_there() -> None:
    """Keep all that there is now out of the collection of garbage.

    What has been imported is no garbage, and looking through it takes 0.2 s in which nothing is sent.
    """
    gc.freeze()
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)  # else triton, which comes with torch for CUDA, complains at the server's end


def give_back_memory() -> None:
    """Collect what nobody refers to, frozen or not, and return free memory to the system.

    `gc.freeze` takes the visitors of that moment out of the collector's sight for good; so all is looked through, which
    takes some tenths of a second in which nothing is sent: not to be done often while somebody is there to wait.
    """
    gc.unfreeze()
    gc.collect()
    keep_what_is_there()
    trim_heap()


def trim_heap() -> None:
    """Return free memory in the midst of the C library's heaps to the system, where that is known how: with glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
