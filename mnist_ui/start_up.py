"""The start of a server: the canvas is there before PyTorch, which takes more than a second to import.

What is imported at the top of this module must not import PyTorch.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from mnist_core.queries import Query, choice, switch
from mnist_ui import canvas, header
from mnist_ui.drawing import Drawer
from mnist_ui.given_back import keep_what_is_there, share_heaps
from mnist_ui.language import LANGUAGE, current_language, languages
from mnist_ui.session import DRAWER_KEY, set_widget_value, widget_value, write_settings

_importing = threading.Lock()


def show_canvas() -> None:
    """On a server that has just started: the page as far as the canvas, then the import, and the page begins anew."""
    if pytorch_is_there():
        return
    share_heaps()
    with no_collection_of_garbage():
        draw_as_far_as_canvas()
        import_pytorch()
    st.rerun()


def draw_as_far_as_canvas() -> None:
    """What the whole page will draw too, in the same places, so that nothing moves and no stroke is lost."""
    drawer = widget_value(DRAWER_KEY)
    if drawer is None:
        read_link()
        drawer = Drawer()
        set_widget_value(DRAWER_KEY, drawer)
    header.show()
    st.container()  # the place for a word about the link
    with st.sidebar:
        header.show_in_sidebar()
    canvas.show(drawer, beside=lambda _drawer: None)


def read_link() -> None:
    """Of the link by which the page was opened, what shows already: language and colour. `address` reads all of it."""
    query = Query({name: st.query_params.get_all(name) for name in st.query_params})
    language = query.value("lang", choice(languages()), current_language())
    write_settings({LANGUAGE: language, "colour": query.value("colour", switch, False)})


def pytorch_is_there() -> bool:
    """Whether PyTorch has been imported, and nobody is still at it."""
    return "torch" in sys.modules and not _importing.locked()


def import_pytorch() -> None:
    """Import PyTorch, once; whoever comes meanwhile waits for it."""
    with _importing:
        import torch  # noqa: F401

        keep_what_is_there()


@contextmanager
def no_collection_of_garbage() -> Iterator[None]:
    """Imports leave hardly any garbage, but looking for it again and again takes a third of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@st.cache_resource(show_spinner=False)
def get_ready_to_train() -> None:
    """When the first page is there: import what runs and lessons need besides, start what runs are forked from."""
    threading.Thread(target=_get_ready_to_train, name="start-up", daemon=True).start()


def _get_ready_to_train() -> None:
    from mnist_core.places import warm_up
    from mnist_ui import look_closer, run_charts  # noqa: F401  (altair takes 0.2 s)

    look_closer.import_lessons()
    keep_what_is_there()
    warm_up()
