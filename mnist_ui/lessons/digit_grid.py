"""The labelled drawings as pictures, a page at a time, each with its label, which can be changed, and a way out."""

from __future__ import annotations

import streamlit as st

from mnist_core.errors import DrawingError
from mnist_core.my_digits import Kept, MyDigits
from mnist_ui import film
from mnist_ui.language import _, _n
from mnist_ui.lessons.hand_table import Answers
from mnist_ui.session import set_widget_value, widget_value
from mnist_ui.visitor import Visitor

TILES = 24  # pictures shown at once; each has two widgets, which the browser draws slowly
REMOVED, FIRST = "digit_removed", "digits_first"  # notes: what was removed last, and where the page begins
ALL, MISREAD = "all", "misread"
STYLE = """<style>
.own { text-align: center; font-size: .85rem; }
.own img { width: 84px; height: 84px; border-radius: 6px; background: #000; border: 3px solid transparent;
  object-fit: contain; display: block; margin: 0 auto 2px; }
.own.wrong img { border-color: #d97706; }
.own.wrong span { font-weight: 700; }
.st-key-digit_tiles { gap: .75rem; }
.st-key-digit_tiles button { min-height: 2.25rem; }
@media (max-width: 640px), (pointer: coarse) {
  :is(.st-key-digit_tiles, .st-key-digit_put_back, .st-key-learn_hand, .st-key-digits_previous, .st-key-digits_next,
  .st-key-consent, .st-key-digits_remove_all_yes) button { min-height: 2.75rem; }
  .st-key-digit_tiles [data-baseweb="select"] > div { min-height: 2.75rem; }
}
</style>"""


def show(visitor: Visitor, answers: Answers) -> None:
    """The pictures, the newest first, or those alone that the answering network misreads."""
    digits = visitor.my_digits
    wrong = [kept for kept in digits if answers.get(kept.number) != kept.label]
    names = {ALL: _("All ({count:,})", count=len(digits)), MISREAD: _("Misread ({count:,})", count=len(wrong))}
    with st.container(horizontal=True, vertical_alignment="center"):
        shown = st.segmented_control(
            _("Which drawings"),
            [ALL, MISREAD],
            format_func=names.__getitem__,
            default=ALL,
            required=True,
            key=f"digits_shown_{hash(tuple(names.values()))}",  # the browser keeps the names of a widget that it knows
            label_visibility="collapsed",
            width="content",
        )
        offer_to_remove_all(visitor)
    offer_to_put_back(visitor)
    listed = (wrong if shown == MISREAD else list(digits))[::-1]
    first = min(visitor.notes.get(FIRST, 0), (len(listed) - 1) // TILES * TILES) if listed else 0
    with st.container(horizontal=True, key="digit_tiles"):
        for kept in listed[first : first + TILES]:
            with st.container(width=104, gap="xsmall"):
                show_one(visitor, kept, answers.get(kept.number))
    if len(listed) > TILES:
        show_turning(visitor, first, len(listed))


def show_one(visitor: Visitor, kept: Kept, answer: int | None) -> None:
    """One drawing: its picture, what it was read as, its label to choose, and its removal."""
    st.html(picture_html(kept, answer))
    key = f"digit_label_{kept.number}"
    set_widget_value(key, kept.label)
    st.selectbox(
        _("Label of drawing {number}", number=kept.number),
        range(10),
        key=key,
        on_change=relabel,
        args=(visitor.my_digits, kept.number, key),
        label_visibility="collapsed",
        filter_mode=None,  # a phone would bring up its keyboard
    )
    st.button(
        _("Remove"), key=f"digit_remove_{kept.number}", width="stretch", on_click=remove, args=(visitor, kept.number)
    )


def picture_html(kept: Kept, answer: int | None) -> str:
    """A drawing, marked when it was misread, and what it was read as."""
    if answer == kept.label:
        words = _("read as {answer}", answer=answer)
    elif answer is None:
        words = _("no digit seen")
    else:
        words = _("misread as {answer}", answer=answer)
    picture = film.data_url(kept.image)
    alt = _("A {label}, drawing {number}: {words}", label=kept.label, number=kept.number, words=words)
    wrong = "" if answer == kept.label else " wrong"
    return f'<div class="own{wrong}"><img src="{picture}" alt="{alt}"><span>{words}</span></div>'


def relabel(digits: MyDigits, number: int, key: str) -> None:
    """Give the drawing the label that the widget with this key says."""
    label = widget_value(key)
    if number in digits and label in range(10):
        digits.relabel(number, label)


def remove(visitor: Visitor, number: int) -> None:
    """Take a drawing out, and remember it for a while."""
    visitor.notes[REMOVED] = visitor.my_digits.remove(number)


def put_back(visitor: Visitor) -> None:
    """Bring the drawing back that was removed last."""
    removed: Kept | None = visitor.notes.pop(REMOVED, None)
    if removed is not None and removed.number not in visitor.my_digits:
        visitor.my_digits.put_back(removed)


def offer_to_put_back(visitor: Visitor) -> None:
    """The way back for the drawing that was removed last, until something else is removed."""
    removed: Kept | None = visitor.notes.get(REMOVED)
    if removed is None or removed.number in visitor.my_digits:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(_("A {label} was removed.", label=removed.label), width="content")
        try_back = st.button(_("Put it back"), icon=":material/undo:", key="digit_put_back")
    if try_back:
        try:
            put_back(visitor)
        except DrawingError as error:
            st.warning(_(error.message))
        else:
            st.rerun()


def remove_all(visitor: Visitor) -> None:
    """Take all drawings out, for good."""
    visitor.my_digits.clear()
    visitor.notes.pop(REMOVED, None)


def offer_to_remove_all(visitor: Visitor) -> None:
    """The removal of all drawings, which asks first."""
    digits = visitor.my_digits
    with st.popover(_("Remove all"), icon=":material/delete:", key=f"digits_remove_all_{len(digits)}"):
        st.markdown(
            _n(
                "Removes your drawing, here and wherever it was kept. Download it before if you want it.",
                "Removes all {count:,} drawings, here and wherever they were kept. Download them before if you want "
                "them.",
                len(digits),
            )
        )
        st.button(
            _("Yes, remove all"), key="digits_remove_all_yes", type="primary", on_click=remove_all, args=(visitor,)
        )


def show_turning(visitor: Visitor, first: int, count: int) -> None:
    """Which of the drawings are shown, and the ways to those before and after."""
    last = min(first + TILES, count)
    with st.container(horizontal=True, vertical_alignment="center"):
        for words, icon, key, disabled, to in (
            (_("Previous"), "chevron_left", "digits_previous", first == 0, max(0, first - TILES)),
            (_("Next"), "chevron_right", "digits_next", last == count, last),
        ):
            st.button(
                words,
                icon=f":material/{icon}:",
                key=key,
                disabled=disabled,
                on_click=visitor.notes.__setitem__,
                args=(FIRST, to),
            )
        st.caption(_("{first:,} to {last:,} of {count:,}", first=first + 1, last=last, count=count), width="content")
