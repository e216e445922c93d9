"""The page's language: every text of the page goes through `_`, which says it in the language that its visitor reads.

A language is one file, locales/CODE.po, in gettext's format; the page offers every one that is there. To bring one up
to date with the code, before its new texts are translated:

    pybabel extract --sort-output --no-location --keyword _ --keyword _n:1,2 --keyword say \\
        --output messages.pot mnist_core mnist_ui
    pybabel update --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date \\
        --locale es --input-file messages.pot --output-file mnist_ui/locales/es.po

A new one begins with `pybabel init --locale CODE`, its input and output given in the same way.
"""

from __future__ import annotations

import functools
import gettext
import io
import string
from numbers import Real
from pathlib import Path
from typing import Any

import streamlit as st
from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import get_decimal_symbol, get_group_symbol

from mnist_core.messages import Message
from mnist_ui.session import read_setting

ENGLISH = "en"  # what the texts are in the code
LOCALES = Path(__file__).parent / "locales"
LANGUAGE = "language"  # the setting


@functools.cache
def languages() -> dict[str, str]:
    """The languages that there are, each by its code with its own name: {"en": "English", "es": "Español"}."""
    codes = [ENGLISH, *sorted(file.stem for file in LOCALES.glob("*.po"))]
    return {code: str(Locale.parse(code).get_display_name(code)).capitalize() for code in codes}


@functools.cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations into a language of `languages()`."""
    if language == ENGLISH:
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with (LOCALES / f"{language}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def current_language() -> str:
    """The code of the language that the page is in: the one chosen, or else the browser's, or else English."""
    chosen = read_setting(LANGUAGE)
    return chosen if chosen in languages() else browser_language()


def browser_language() -> str:
    """The language that the visitor's browser asks for, when there is one, or else English."""
    asked = (st.context.locale or ENGLISH).replace("_", "-").split("-")[0].lower()
    return asked if asked in languages() else ENGLISH


class LocalFormatter(string.Formatter):
    """Formats as str.format does, with the decimal and the thousands separator of a language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        text = str(super().format_field(value, format_spec))
        if isinstance(value, bool) or not isinstance(value, Real):
            return text
        decimal, thousands = get_decimal_symbol(self.language), get_group_symbol(self.language)
        return text.translate(str.maketrans({".": decimal, ",": thousands}))


def _(text: str, **values: Any) -> str:
    """This text in the page's language, with the values where their {names} stand.

    Args:
        text: as it stands in the code, or a Message, which brings values of its own.
    """
    language = current_language()
    if isinstance(text, Message):
        text, values = text.template, {**text.values, **values}
    return filled(catalogue(language).gettext(text) if text else "", values, language)


def _n(one: str, many: str, count: int, **values: Any) -> str:
    """`_` for a text that depends on a number, which it may name as {count}."""
    language = current_language()
    return filled(catalogue(language).ngettext(one, many, count), {"count": count, **values}, language)


def number(value: float, format_spec: str = ",") -> str:
    """A number as the page's language writes it: number(1204) is "1,204" in English and "1.204" in Spanish."""
    return LocalFormatter(current_language()).format_field(value, format_spec)


def separators() -> tuple[str, str]:
    """What the page's language writes before decimals and between thousands: (".", ",") in English."""
    language = current_language()
    return get_decimal_symbol(language), get_group_symbol(language)


def filled(template: str, values: dict[str, Any], language: str) -> str:
    """The template with its values; those that are messages are translated too."""
    if not values:
        return template
    said = {name: _(value) if isinstance(value, Message) else value for name, value in values.items()}
    return LocalFormatter(language).vformat(template, (), said)


def duration(seconds: float) -> str:
    """A length of time in words: "6 s", "2 min", "2 min 5 s"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes and not rest:
        return _("{minutes} min", minutes=minutes)
    if minutes:
        return _("{minutes} min {seconds} s", minutes=minutes, seconds=rest)
    return _("{seconds} s", seconds=rest)
