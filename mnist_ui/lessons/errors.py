"""Errors: which test images a network misreads, which digits it mixes up, and how sure it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st
from torch import nn

from mnist_core.lessons.mistakes import Answers, SetReading, find_mistakes
from mnist_core.opened import OpenedNetwork
from mnist_ui.choice import choose_one
from mnist_ui.language import _
from mnist_ui.lessons import misread
from mnist_ui.lessons.confusion import accuracy_html, confusion_chart, mixed_up
from mnist_ui.network import answering_network
from mnist_ui.session import set_widget_value, widget_value
from mnist_ui.test_images import test_digits_for
from mnist_ui.visitor import MINE, TICK_SECONDS, Visitor, shipped_model

NAME = "errors"
LABEL_KEY, ANSWER_KEY, MAP_KEY = "errors_label", "errors_answer", "errors_map"
FAST_SECONDS = 0.25  # a reading that takes no longer is waited for
ANY = -1  # in the lists, which take None for nothing chosen


@dataclass
class Look:
    """What a visitor looks at in this lesson.

    Attributes:
        network: whose answers are shown or awaited: the run, the opened file, or None for the shipped network.
        shown, shown_step: the answers on the page and the step of the network that gave them.
        awaited, awaited_step: the same for a reading that is going on.
        label, answer: the cell of the map that is chosen; None is any.
        first: the first of the images shown. map_revision: how often the map was drawn with another cell marked.
    """

    network: object = None
    shown: Answers | None = None
    shown_step: int = 0
    awaited: SetReading | None = None
    awaited_step: int = 0
    label: int | None = None
    answer: int | None = None
    first: int = 0
    map_revision: int = 0
    marked: tuple[int | None, int | None] = (None, None)

    def read(self, network: object, step: int, model: nn.Module) -> None:
        """Have the test set read by this network."""
        self.network, self.awaited_step = network, step
        if network is None and shipped_reading().error is not None:
            shipped_reading.clear()  # whoever comes next shall not meet the same error
        if network is None:
            self.awaited = shipped_reading()
        elif isinstance(network, OpenedNetwork):
            self.awaited = network.reading
        else:
            self.awaited = SetReading(model, test_digits_for(model))
        self.take_over(FAST_SECONDS)

    def take_over(self, seconds: float = 0.0) -> None:
        """Let the reading go on, and show its answers when it comes to an end within these seconds."""
        if self.awaited is None:
            return
        self.awaited.go_on(seconds)
        if self.awaited.answers is not None:
            self.shown, self.shown_step = self.awaited.answers, self.awaited_step
            self.awaited, self.first = None, 0

    def choose(self, label: int | None, answer: int | None) -> None:
        """Show the images of this cell, and mark it on the map."""
        self.label, self.answer, self.first = label, answer, 0
        self.marked = (label, answer)
        self.map_revision += 1

    def choose_in_lists(self) -> None:
        """Show what the two lists say."""
        label, answer = (
            None if digit == ANY else digit for digit in (widget_value(LABEL_KEY), widget_value(ANSWER_KEY))
        )
        self.choose(label, answer)

    def choose_on_map(self, key: str) -> None:
        """Show the cell that was pressed; the map itself has marked it already."""
        cells = chosen_cells(widget_value(key))
        if cells:
            self.label, self.answer, self.first = *cells[0], 0
        else:  # pressed beside the cells, which takes the mark away
            self.choose(self.label, self.answer)

    def turn(self, first: int) -> None:
        """Show the images from the one with this number on."""
        self.first = first


@st.cache_resource(show_spinner=False)
def shipped_reading() -> SetReading:
    """The shipped network's reading of the test set, one for all visitors."""
    return SetReading(shipped_model(), test_digits_for(shipped_model()))


def chosen_cells(selection: Any) -> list[tuple[int, int]]:
    """The cells (label, answer) that a press on the map has chosen, as the browser says, which is not to be trusted."""
    try:
        cells = [(cell["label"], cell["answer"]) for cell in selection["selection"]["cell"]]
    except (KeyError, TypeError):
        return []
    return [cell for cell in cells if all(type(digit) is int and 0 <= digit <= 9 for digit in cell)]


def show(visitor: Visitor) -> None:
    """The lesson: who has read the test set and how well, the map, and the images of what is chosen there."""
    answering = answering_network(visitor)
    if answering is None:
        return
    look = visitor.notes.setdefault(NAME, Look())
    network = run_of(visitor, answering.name)
    if look.network is not network or (look.shown is None and look.awaited is None):
        look.shown = None
        look.read(network, answering.step, answering.model)
    look.take_over()
    ticks = TICK_SECONDS if look.awaited is not None else visitor.tick_seconds
    st.fragment(show_reading, run_every=ticks)(visitor, look)
    if look.shown is not None:
        show_overview(look, look.shown)
        show_choice(look)
        found = find_mistakes(look.shown, look.label, look.answer)
        st.markdown(misread.what_is_shown(look.label, look.answer, len(found)))
        misread.show(visitor, test_digits_for(answering.model), look.shown, found, look.first, look.turn)


def run_of(visitor: Visitor, name: str) -> object:
    """The run or file whose network it is that has this name; None for the shipped network."""
    return visitor.own_network if name == MINE else None


def show_reading(visitor: Visitor, look: Look) -> None:
    """How far the reading is; when the run has gone on since, the button to read again."""
    name, step, model = visitor.answering_model()
    if look.network is not run_of(visitor, name):
        st.rerun()  # the first weights of a new run have come
    if look.awaited is not None:
        look.take_over()
        if look.awaited is None:
            st.rerun()
        read, count = look.awaited.images_read, look.awaited.images
        words = _("Reading the test set: {read:,} of {count:,} images.", read=read, count=count)
        st.progress(look.awaited.share_read, text=words)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(summary(look), width="content")
        if look.network is None or step == look.shown_step:
            return
        words = _("Read the test set again, now at step {step:,}", step=step)
        if st.button(words, icon=":material/refresh:", key="errors_again"):
            look.read(look.network, step, model)
            st.rerun()


def summary(look: Look) -> str:
    """Which network has read the set and how well, in words."""
    assert look.shown is not None
    right, count = look.shown.right, len(look.shown)
    values = {"right": right, "count": count, "share": 100 * right / count, "wrong": count - right}
    if look.network is None:
        return _(
            "The shipped network reads **{right:,}** of {count:,} test images correctly ({share:.2f} %) and misreads "
            "**{wrong:,}**.",
            **values,
        )
    if isinstance(look.network, OpenedNetwork):
        return _(
            "My network from the file `{file}` reads **{right:,}** of {count:,} test images correctly ({share:.2f} %) "
            "and misreads **{wrong:,}**.",
            file=look.network.name,
            **values,
        )
    return _(
        "My network after {step:,} steps reads **{right:,}** of {count:,} test images correctly ({share:.2f} %) and "
        "misreads **{wrong:,}**.",
        step=look.shown_step,
        **values,
    )


def show_overview(look: Look, answers: Answers) -> None:
    """The map of what is mixed up with what, and how well each digit is read."""
    left, right = st.columns([1.5, 1], gap="medium")
    with left:
        st.caption(
            _("Press a cell to see its images. The deeper the orange, the more were misread; blue was read correctly.")
        )
        key = f"{MAP_KEY}_{look.map_revision}"
        st.altair_chart(
            confusion_chart(answers.confusion, *look.marked),
            key=key,
            on_select=lambda: look.choose_on_map(key),
            selection_mode="cell",
            alt=_("Heat map of the answers to each written digit.") + " " + mixed_up(answers.confusion),
        )
    with right:
        st.caption(_("Each digit by itself"))
        st.html(accuracy_html(answers.confusion))
        st.caption(mixed_up(answers.confusion))


def show_choice(look: Look) -> None:
    """Two lists that choose a cell too, also for a keyboard, and the way back to all mistakes."""
    set_widget_value(LABEL_KEY, ANY if look.label is None else look.label)
    set_widget_value(ANSWER_KEY, ANY if look.answer is None else look.answer)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show_list(look, LABEL_KEY, _("Written digit"), _("any"), _("Shows only images of this digit."))
        help_words = _("Shows only images that the network took for this digit.")
        show_list(look, ANSWER_KEY, _("Answer"), _("any wrong one"), help_words)
        st.button(
            _("All mistakes"),
            icon=":material/filter_alt_off:",
            key="errors_all",
            disabled=look.label is None and look.answer is None,
            on_click=look.choose,
            args=(None, None),
        )


def show_list(look: Look, key: str, label: str, any_words: str, help_words: str) -> None:
    """A list of the digits, and before them any."""
    choose_one(
        label,
        [ANY, *range(10)],
        format_func=lambda digit: any_words if digit == ANY else str(digit),
        key=key,
        on_change=look.choose_in_lists,
        width=160,
        help=help_words,
    )
