"""My digits: the visitor's labelled drawings, how well they are read, a network that learns them, and files of them."""

from __future__ import annotations

import streamlit as st

from mnist_ui import consent
from mnist_ui.language import _
from mnist_ui.lessons import digit_files, digit_grid, hand_table, learn_hand
from mnist_ui.lessons.hand_table import NAME, Readings
from mnist_ui.network import answering_network
from mnist_ui.visitor import TICK_SECONDS, Visitor


def show(visitor: Visitor) -> None:
    """The panel; what goes on in it is a fragment of its own, so that the pictures need not be drawn anew."""
    digits = visitor.my_digits
    if visitor.digits_in_lesson != digits.revision:
        st.rerun()  # the answer speaks of them too
    consent.follow(visitor)
    st.html(digit_grid.STYLE)
    if not len(digits):
        st.info(
            _(
                "Nothing here yet. Draw a digit at the top of the page and press **Yes** under the answer, or the "
                "right digit: it is then kept here. Ten or twenty, some of each digit, already tell something."
            )
        )
        digit_grid.offer_to_put_back(visitor)
        digit_files.show(visitor)
        return
    answering = answering_network(visitor)
    if answering is None:
        return
    readings: Readings = visitor.notes.setdefault(NAME, Readings())
    waits_for_test_set = hand_table.awaited_reading() is not None
    ticks = TICK_SECONDS if waits_for_test_set or visitor.following else None
    st.fragment(show_learning, run_every=ticks)(visitor, readings, waits_for_test_set)
    digit_grid.show(visitor, readings.of(visitor, answering, list(digits)))
    digit_files.show(visitor)
    consent.show_state(visitor)


def show_learning(visitor: Visitor, readings: Readings, waited_for_test_set: bool) -> None:
    """How well the drawings are read, and the run that learns them."""
    if waited_for_test_set and hand_table.awaited_reading() is None:
        st.rerun()  # nothing more to wait for
    hand_table.show(visitor, readings)
    learn_hand.show(visitor, readings)
