"""A network from a file of weights: it becomes "my network", and tells what it scores on the test set."""

from __future__ import annotations

import streamlit as st

from mnist_core.errors import WeightsError
from mnist_core.models import count_parameters, takes_colours
from mnist_core.opened import OpenedNetwork, open_network
from mnist_core.server_settings import server_settings
from mnist_core.weights import FORMATS, LARGEST_FILE
from mnist_ui.language import _
from mnist_ui.session import widget_value
from mnist_ui.test_images import test_digits_for
from mnist_ui.visitor import TICK_SECONDS, Visitor

PROBLEM, OPENED, CHANGED = "weights_problem", "weights_opened", "weights_changed"  # notes: why not, how many, just now
FAST_SECONDS = 0.25  # a reading that takes no longer is waited for


def show(visitor: Visitor) -> None:
    """The button that opens the choice of a file; what was wrong with the last one is said there."""
    # A file that was read makes room for the next by new keys: the popover is then another one, which is closed.
    number = visitor.notes.get(OPENED, 0)
    with st.popover(
        _("Open weights"), icon=":material/upload_file:", key=f"weights_open_{number}", on_change="rerun"
    ) as popover:
        if not popover.open:
            return
        problem = visitor.notes.get(PROBLEM)
        if problem is not None:
            st.error(_("This file was not opened."), icon=":material/error:")
            st.text(_(problem))  # it may quote the file, so it is no markdown
        key = f"weights_file_{number}"
        st.file_uploader(
            _("Weights of one of the models here: {formats}", formats=", ".join(FORMATS)),
            list(FORMATS),
            key=key,
            on_change=take,
            args=(visitor, key),
            max_upload_size=max(1, most_bytes() // 1_000_000),
        )


def most_bytes() -> int:
    """How large a file may be."""
    return min(server_settings().upload_bytes, LARGEST_FILE)


def take(visitor: Visitor, key: str) -> None:
    """Make the network in the file that the widget with this key has just received the visitor's own.

    What cannot be used leaves everything as it is, and says why.
    """
    file = widget_value(key)
    visitor.notes[PROBLEM] = None
    if file is None:  # taken away again
        return
    try:
        network = open_network(file.getvalue(), file.name, test_digits_for, most_bytes(), server_settings().parameters)
    except WeightsError as error:
        visitor.notes[PROBLEM] = error.message
        return
    visitor.open(network)
    visitor.notes[OPENED] = visitor.notes.get(OPENED, 0) + 1
    visitor.notes[CHANGED] = True


def show_opened(visitor: Visitor) -> None:
    """Which file "my network" comes from, what it scores, and the button to close it; nothing when there is none."""
    if visitor.notes.pop(CHANGED, False):
        st.rerun()  # another network answers: the whole page takes note
    if visitor.opened is None:
        return
    visitor.opened.reading.go_on(FAST_SECONDS if visitor.opened.reading.images_read == 0 else 0.0)
    ticks = TICK_SECONDS if visitor.opened.reading.answers is None else None
    st.fragment(show_network, run_every=ticks)(visitor, visitor.opened, ticks is not None)


def show_network(visitor: Visitor, network: OpenedNetwork, is_ticking: bool) -> None:
    """The file's name, what is in it, how far the test set has been read or with what result, and Close."""
    if visitor.opened is not network:
        st.rerun()  # it has been closed
    network.reading.go_on()
    answers = network.reading.answers
    if is_ticking and answers is not None:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key="weights_opened"):
        words = _(
            "My network is in the file `{file}`: {model}, {count:,} parameters.",
            file=network.name,
            model=type(network.model).__name__,
            count=count_parameters(network.model),
        )
        st.markdown(words if answers is None else f"{words} {score(network)}", width="content")
        st.button(_("Close file"), icon=":material/close:", key="weights_close", on_click=visitor.close_opened)
    if answers is None:
        read, count = network.reading.images_read, network.reading.images
        words = _("Reading the test set: {read:,} of {count:,} images.", read=read, count=count)
        st.progress(network.reading.share_read, text=words)


def score(network: OpenedNetwork) -> str:
    """How well the network reads the test set, in words."""
    answers = network.reading.answers
    assert answers is not None
    values = {"right": answers.right, "count": len(answers), "share": 100 * answers.right / len(answers)}
    if takes_colours(network.model):
        return _("It reads **{right:,}** of {count:,} test images in colour correctly ({share:.2f} %).", **values)
    return _("It reads **{right:,}** of {count:,} test images correctly ({share:.2f} %).", **values)
