"""Errors that a person can read: what happened, and what to do next."""

from __future__ import annotations


class DigitPlaygroundError(Exception):
    """The base of every error that is meant for a person's eyes."""


class DataError(DigitPlaygroundError):
    """A data set is missing, damaged or could not be downloaded."""


class ConfigError(DigitPlaygroundError, ValueError):
    """A setting makes no sense: which field, the value it had, and the bound it broke."""

    def __init__(self, field: str, value: object, bound: str) -> None:
        super().__init__(field, value, bound)
        self.field, self.value, self.bound = field, value, bound

    def __str__(self) -> str:
        shown = repr(self.value)
        return f"{self.field} is {shown if len(shown) <= 80 else shown[:77] + '...'}, but it must be {self.bound}."


class TrainingError(DigitPlaygroundError, RuntimeError):
    """A run cannot start or cannot go on."""


class WeightsError(DigitPlaygroundError, ValueError):
    """A file of weights is not what it should be; nothing of it was used."""


class DrawingError(DigitPlaygroundError, ValueError):
    """A picture cannot be read as a drawing."""
