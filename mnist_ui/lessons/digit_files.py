"""The labelled drawings as a file to take along, and from a file: a zip of PNGs with a CSV that says what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import streamlit as st

from mnist_core.errors import DrawingError
from mnist_core.messages import Message, say
from mnist_core.my_digits import MyDigits
from mnist_core.own_digits import OwnDigit
from mnist_core.own_zip import unzip_digits, zip_digits
from mnist_core.server_settings import server_settings
from mnist_ui.language import _
from mnist_ui.session import widget_value
from mnist_ui.visitor import Visitor

FILE_NAME = "my_digits.zip"
NOTE, TAKEN = "digit_files", "digit_files_taken"  # notes: what to say of the last file, and how many there were
PROBLEM, RESULT = "problem", "result"
ADDED, KNOWN, BLANK, TOO_MANY = "added", "known", "blank", "too many"


def show(visitor: Visitor) -> None:
    """The download, when there is something to take along, and the way in for a file."""
    digits = visitor.my_digits
    if len(digits):
        st.download_button(
            _("Download as a zip"),
            data=lambda: pack(digits),
            file_name=FILE_NAME,
            mime="application/zip",
            on_click="ignore",
            icon=":material/download:",
            key="digits_download",
        )
    note: tuple[str, list[Message]] | None = visitor.notes.get(NOTE)
    with st.expander(_("Upload a zip"), icon=":material/upload:", expanded=note is not None, key="digits_upload"):
        st.caption(
            _(
                "A zip as the download above makes it: PNGs, and **digits.csv** with a line **file,label** for each. "
                "Its drawings are added to those that are here, up to {most:,}.",
                most=digits.most,
            )
        )
        if note is not None:
            kind, messages = note
            show_note = st.error if kind == PROBLEM else st.success
            show_note(" ".join(_(message) for message in messages))
        # A file that was read makes room for the next by a new key.
        key = f"digits_zip_{visitor.notes.get(TAKEN, 0)}"
        st.file_uploader(
            _("A zip of labelled drawings"),
            ["zip"],
            key=key,
            on_change=take,
            args=(visitor, key),
            max_upload_size=max(1, server_settings().upload_bytes // 1_000_000),
        )


def pack(digits: MyDigits) -> bytes:
    """All drawings with their labels as the content of a zip."""
    return zip_digits([kept.digit for kept in digits])


def take(visitor: Visitor, key: str) -> None:
    """Add what is in the file that the widget with this key has just received; what cannot be read changes nothing."""
    file = widget_value(key)
    if file is None:  # taken away again
        return
    visitor.notes[TAKEN] = visitor.notes.get(TAKEN, 0) + 1
    try:
        found = unzip_digits(file.getvalue(), visitor.my_digits.most, server_settings().upload_bytes)
    except DrawingError as error:
        visitor.notes[NOTE] = PROBLEM, [error.message]
    else:
        visitor.notes[NOTE] = RESULT, what_was_added(add_all(visitor.my_digits, found))


def add_all(digits: MyDigits, found: Iterable[OwnDigit]) -> Counter[str]:
    """Add one drawing after the other; how many were added, already there, blank, and too many."""
    outcomes: Counter[str] = Counter()
    for digit in found:
        before, full = len(digits), digits.is_full
        try:
            digits.add(digit)
            outcomes[ADDED if len(digits) > before else KNOWN] += 1
        except DrawingError:
            outcomes[TOO_MANY if full else BLANK] += 1
    return outcomes


def what_was_added(outcomes: Counter[str]) -> list[Message]:
    """How many drawings of a file were added, and why others were not."""
    parts = [say("Added: {count:,}.", count=outcomes[ADDED])]
    if outcomes[KNOWN]:
        parts.append(say("There already, with the label of the file now: {count:,}.", count=outcomes[KNOWN]))
    if outcomes[BLANK]:
        parts.append(say("Left out, with nothing drawn on them: {count:,}.", count=outcomes[BLANK]))
    if outcomes[TOO_MANY]:
        parts.append(say("Left out, for My digits is full: {count:,}.", count=outcomes[TOO_MANY]))
    return parts
