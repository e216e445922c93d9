"""Images of the test set with what a network made of them, a few at a time, each with its way to the canvas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from mnist_core.data import Digits
from mnist_core.drawing import Picture
from mnist_core.lessons.mistakes import Answers
from mnist_ui import answer, colours, film
from mnist_ui.language import _, _n
from mnist_ui.photo import as_drawing
from mnist_ui.test_images import test_digits
from mnist_ui.visitor import Visitor

TILES = 12  # images shown at once
PUT = "errors_put"  # the note that an image has just been put onto the canvas
LIKELY = 3  # digits whose probabilities are shown
STYLE = """<style>
.misread img { width: 88px; height: 88px; image-rendering: pixelated; border-radius: 6px; display: block; }
.misread p { font-size: .9rem; margin: 4px 0; }
.misread .bars { grid-template-columns: .8rem 1fr 2.9rem; }
</style>"""


def show(
    visitor: Visitor,
    digits: Digits,
    answers: Answers,
    found: NDArray[np.int64],
    first: int,
    turn: Callable[[int], None],
) -> None:
    """The images with these indices (M,), from number `first` on, and buttons that turn to the others."""
    if visitor.notes.pop(PUT, False):
        st.toast(_("It is on the canvas, at the top of the page. Undo brings your drawing back."))
    if not len(found):
        return
    st.html(STYLE + answer.STYLE)
    with st.container(horizontal=True, key="errors_images"):
        for index in found[first : first + TILES].tolist():
            with st.container(width=160):
                show_image(visitor, digits, answers, index)
    if len(found) > TILES:
        show_turning(first, len(found), turn)
    st.caption(
        _(
            "On the canvas an image is cropped and centred anew, as your drawings are. "
            "Where a network is in doubt, so small a change can already tip the answer."
        )
    )


def what_is_shown(label: int | None, answer: int | None, count: int) -> str:
    """Which images are shown and in what order, in words."""
    if label is None and answer is None:
        return _n(
            "**{count:,}** image misread",
            "**{count:,}** images misread, the most confident mistakes first",
            count,
        )
    if answer is None:
        return _n(
            "**{count:,}** image of the digit {label} misread",
            "**{count:,}** images of the digit {label} misread, the most confident mistakes first",
            count,
            label=label,
        )
    if label is None:
        return _n(
            "**{count:,}** image wrongly read as {answer}",
            "**{count:,}** images wrongly read as {answer}, the most confident mistakes first",
            count,
            answer=answer,
        )
    if label == answer:
        return _n(
            "**{count:,}** image of the digit {label} read correctly",
            "**{count:,}** images of the digit {label} read correctly, the least confident first",
            count,
            label=label,
        )
    return _n(
        "**{count:,}** image of the digit {label} read as {answer}",
        "**{count:,}** images of the digit {label} read as {answer}, the most confident mistakes first",
        count,
        label=label,
        answer=answer,
    )


def show_image(visitor: Visitor, digits: Digits, answers: Answers, index: int) -> None:
    """One image of the test set, what it is, what the network took it for, and the button to the canvas."""
    st.html(image_html(film.picture_of(digits.images[index]), answers, index))
    if st.button(_("To the canvas"), key=f"errors_put_{index}", width="stretch"):
        grey = test_digits().images[index, 0].numpy()
        visitor.put(as_drawing(colours.drawn_with(colours.pen_of(visitor), grey)))
        visitor.notes[PUT] = True
        st.rerun()


def image_html(image: Picture, answers: Answers, index: int) -> str:
    """A picture, its label and answer in words, and its three most probable digits as bars."""
    label, read_as = int(answers.labels[index]), int(answers.answers[index])
    words = _("{label}, read as {answer}", label=label, answer=read_as)
    if label == read_as:
        words = _("{label}, read correctly", label=label)
    if answers.refused[index]:
        words = _("{label}, taken for no digit", label=label)
    probabilities = answers.probabilities[index]
    bars = "".join(
        answer.row_html(str(digit), float(probabilities[digit]), is_top=digit == read_as)
        for digit in np.argsort(-probabilities, kind="stable")[:LIKELY].tolist()
    )
    return (
        f'<div class="misread"><img src="{film.data_url(image)}" alt="{words}"><p>{words}</p>'
        f'<div class="bars">{bars}</div></div>'
    )


def show_turning(first: int, count: int, turn: Callable[[int], None]) -> None:
    """Which of the images are shown, and the ways to those before and after."""
    last = min(first + TILES, count)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            _("Previous"),
            icon=":material/chevron_left:",
            key="errors_previous",
            disabled=first == 0,
            on_click=turn,
            args=(max(0, first - TILES),),
        )
        st.button(
            _("Next"),
            icon=":material/chevron_right:",
            key="errors_next",
            disabled=last == count,
            on_click=turn,
            args=(last,),
        )
        st.caption(_("{first:,} to {last:,} of {count:,}", first=first + 1, last=last, count=count), width="content")
