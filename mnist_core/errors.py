"""Errors that a person can read: what happened, and what to do next."""

from __future__ import annotations

from mnist_core.messages import Message, say


class DigitPlaygroundError(Exception):
    """The base of every error that is meant for a person's eyes; it is raised with one text."""

    @property
    def message(self) -> Message:
        """What is wrong, as a text that can be said again in another language."""
        text = self.args[0] if self.args else ""
        return text if isinstance(text, Message) else Message(str(text))


class DataError(DigitPlaygroundError):
    """A data set is missing, damaged or could not be downloaded."""


class ConfigError(DigitPlaygroundError, ValueError):
    """A setting makes no sense: which field, the value it had, and the bound it broke."""

    def __init__(self, field: str, value: object, bound: str) -> None:
        super().__init__(field, value, bound)
        self.field, self.value, self.bound = field, value, bound

    @property
    def message(self) -> Message:
        """Which field has which value, and what it must be."""
        shown = repr(self.value)
        value = shown if len(shown) <= 80 else shown[:77] + "..."
        return say("{field} is {value}, but it must be {bound}.", field=self.field, value=value, bound=self.bound)

    def __str__(self) -> str:
        return self.message


class TrainingError(DigitPlaygroundError, RuntimeError):
    """A run cannot start or cannot go on."""


class WeightsError(DigitPlaygroundError, ValueError):
    """A file of weights is not what it should be; nothing of it was used."""


class DrawingError(DigitPlaygroundError, ValueError):
    """A picture cannot be read as a drawing."""


class StoreError(DigitPlaygroundError):
    """The database of labelled drawings cannot be opened, read or written."""
