"""Was this right? Under the answer its author says so, or which digit it is, and the drawing goes to My digits."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from mnist_core import Reading
from mnist_core.drawing import Picture
from mnist_core.errors import DrawingError
from mnist_core.my_digits import Kept
from mnist_ui import consent
from mnist_ui.drawing import Drawing
from mnist_ui.language import _
from mnist_ui.visitor import Visitor

# Its place is always there, so that nothing moves when it comes and goes. Fingers need 44 pixels.
STYLE = """<style>
.st-key-was_right { min-height: 6.1rem; gap: .35rem; }
.st-key-was_right > :has(.place) { display: contents; }
.st-key-was_right_words { min-height: 2.5rem; }
.st-key-was_right_words button, .st-key-was_right_digits button { min-height: 2.25rem; }
.st-key-was_right_digits { display: grid; grid-template-columns: repeat(10, 1fr); gap: .25rem; max-width: 560px; }
.st-key-was_right_digits > div { width: auto; min-width: 0; }
.st-key-was_right_digits button { width: 100%; min-width: 0; padding: 0; }
@media (max-width: 640px), (pointer: coarse) {
  .st-key-was_right { min-height: 9.4rem; }
  .st-key-was_right_words { min-height: 2.75rem; }
  .st-key-was_right button { min-height: 2.75rem; }
  .st-key-was_right_digits { grid-template-columns: repeat(5, 1fr); }
}
</style>
<div class="place"></div>"""  # without anything to show, a container is not drawn at all


def show(visitor: Visitor, reading: Reading) -> None:
    """The question and its answers, or what was kept; nothing as long as there is no single digit of the visitor's."""
    if visitor.digits_in_lesson not in (None, visitor.my_digits.revision):
        st.rerun()  # the lesson that shows them is to follow
    consent.follow(visitor)
    with st.container(key="was_right"):
        st.html(STYLE)
        if may_be_labelled(visitor.drawing, reading):
            kept = visitor.my_digits.find(reading.whole.prepared.image)
            show_words(visitor, reading, kept)
            if kept is not None or not visitor.my_digits.is_full:
                show_digits(visitor, kept)
            if kept is not None:
                consent.ask(visitor)


def may_be_labelled(drawing: Drawing, reading: Reading) -> bool:
    """Whether the drawing is one digit of the visitor's own, read or not.

    A number is not: which of its digits were read wrongly would take a row of answers for each, and where it was cut
    apart may be what is wrong. Nor is an image of MNIST's test set, from which no network here learns.
    """
    prepared = reading.whole.prepared
    return not (reading.number is not None or prepared.is_blank or prepared.is_dot or drawing.is_from_mnist)


def show_words(visitor: Visitor, reading: Reading, kept: Kept | None) -> None:
    """The question with its Yes, or as what the drawing was kept and the way back."""
    digits, picture = visitor.my_digits, visitor.drawing.picture
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="was_right_words"):
        if kept is not None:
            words = _("Kept as **{label}** in My digits ({count:,}).", label=kept.label, count=len(digits))
            st.markdown(words, width="content")
            st.button(
                _("Take it out"), type="tertiary", icon=":material/undo:", key="was_right_undo", on_click=digits.remove,
                args=(kept.number,),
            )  # fmt: skip
        elif digits.is_full:
            st.caption(
                _("My digits is full: {most:,} drawings. Remove some there to keep this one.", most=len(digits)),
                width="content",
            )
        elif len(reading.whole.candidates) == 1:
            st.markdown(_("Was this right?"), width="content")
            st.button(
                _("Yes"), icon=":material/check:", key="was_right_yes", on_click=keep,
                args=(visitor, picture, reading.whole.candidates[0]),
            )  # fmt: skip
            st.markdown(_("No, it is:"), width="content")
        else:
            st.markdown(_("Which digit is it?"), width="content")


def show_digits(visitor: Visitor, kept: Kept | None) -> None:
    """A button for each digit; the one that the drawing was kept as stands out."""
    with st.container(horizontal=True, key="was_right_digits"):
        for digit in range(10):
            st.button(
                str(digit),
                type="primary" if kept is not None and kept.label == digit else "secondary",
                key=f"was_right_{digit}",
                on_click=keep,
                args=(visitor, visitor.drawing.picture, digit),
            )


def keep(visitor: Visitor, picture: Picture, label: int) -> None:
    """Keep the drawing that the buttons were drawn for, or give it another label."""
    with suppress(DrawingError):  # My digits has just become full; what is drawn next says so
        visitor.my_digits.gather(picture, label)
