"""A list to choose from whose words change with the page's language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

from mnist_ui.language import current_language
from mnist_ui.session import set_widget_value, widget_value

Choice = TypeVar("Choice")


def choose_one(
    label: str,
    options: Sequence[Choice],
    *,
    format_func: Callable[[Choice], str],
    key: str,
    on_change: Callable[[], None] | None = None,
    **more: Any,
) -> Choice:
    """`st.selectbox`, but the choice lies under `key` and outlives a change of language; the first option at first.

    The browser tells a choice by its words, and a tick of the page that was under way when the language changed tells
    the old ones, which the list no longer has. So the list is another widget in each language.
    """
    widget = f"{current_language()}_{key}"

    def take_over() -> None:
        chosen = widget_value(widget)
        if chosen in options and chosen != widget_value(key):
            set_widget_value(key, chosen)
            if on_change is not None:
                on_change()

    if widget_value(key) not in options:
        set_widget_value(key, options[0])
    set_widget_value(widget, widget_value(key))
    words = {option: format_func(option) for option in options}  # in this language, whoever asks when
    return st.selectbox(label, options, format_func=words.__getitem__, key=widget, on_change=take_over, **more)
