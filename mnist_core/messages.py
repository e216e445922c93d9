"""Texts for people that can be said again in another language: what a message says is kept apart from its values."""

from __future__ import annotations

from typing import Any


class Message(str):
    """A text in English that remembers how it was put together.

    Attributes:
        template: the text with {names} where the values belong, as str.format reads it; the key of its translations.
        values: what belongs there, by name; a value may be a Message itself.
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, **values: Any) -> Message:
        message = super().__new__(cls, template.format(**values) if values else template)
        message.template, message.values = template, values
        return message

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.template, self.values)  # a message crosses the pipe from a run to the page


def _again(template: str, values: dict[str, Any]) -> Message:
    return Message(template, **values)


def say(template: str, **values: Any) -> Message:
    """A message; whoever collects the texts to translate finds them by the name of this function."""
    return Message(template, **values)
