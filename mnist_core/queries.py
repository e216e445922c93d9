"""The query of an address, read name by name: whatever stands there, the nearest value that there is comes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SWITCHED = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False, "1": True, "0": False}
NO_NUMBERS = "none"  # how a list without any is written
DECIMALS = 6
QUOTED = 100  # characters of a query that are kept to tell what was wrong with it
# No digit can be matched in two ways: of a text of any length it is seen in one pass that it is no number.
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

Read = Callable[[str], Any]  # a text of a query -> the nearest value that there is; ValueError when it says nothing


@dataclass(frozen=True)
class Mended:
    """What an address asks for that there is not, and what was taken in its place.

    Attributes:
        name: as the address has it. given: the text behind it. taken: as an address would say it; None for nothing.
    """

    name: str
    given: str
    taken: str | None


class Query:
    """The query of an address, read name by name.

    Args:
        values: each name with all the texts that stand behind it, as `urllib.parse.parse_qs` gives them.

    Attributes:
        mended: what had to be put right so far.
    """

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self.mended: list[Mended] = []
        self._unread = {name: list(texts) for name, texts in values.items()}

    def value(self, name: str, read: Read, default: Any) -> Any:
        """The value behind a name, pulled to what there is; the default when it is not there or says nothing."""
        texts = self._unread.pop(name, [])
        if not texts:
            return default
        text = texts[-1].strip()  # the last counts, as in a form
        try:
            value = read(text)
        except ValueError:
            value = default
        if not says(text, value) or any(other.strip() != text for other in texts[:-1]):
            self.mended.append(Mended(name, quoted(texts), write(value)))
        return value

    def asks_for(self, name: str) -> bool:
        """Whether the name is there and has not been read yet."""
        return name in self._unread

    def leave_out_rest(self) -> None:
        """Note whatever has not been read: there is no such name, or not with these other values."""
        self.mended += [Mended(name[:QUOTED], quoted(texts), None) for name, texts in self._unread.items()]
        self._unread.clear()


def quoted(texts: Sequence[str]) -> str:
    """What stood behind a name, as much of it as may be told."""
    return ",".join(texts)[:QUOTED]


def choice(names: Collection[str]) -> Read:
    """Reads one of these names, in capitals or not."""
    by_small_letters = {name.lower(): name for name in names}

    def read(text: str) -> str:
        if text.lower() not in by_small_letters:
            raise ValueError(text)
        return by_small_letters[text.lower()]

    return read


def switch(text: str) -> bool:
    """Reads yes or no."""
    if text.lower() not in SWITCHED:
        raise ValueError(text)
    return SWITCHED[text.lower()]


def number(least: float, most: float) -> Read:
    """Reads a number, pulls it into these bounds and rounds it to six decimals."""

    def read(text: str) -> float:
        if not NUMBER.fullmatch(text):  # float would also take nan, inf, 1_000 and the digits of other scripts
            raise ValueError(text)
        return round(min(max(float(text), least), most), DECIMALS) + 0.0  # no -0.0

    return read


def whole_number(least: int, most: int) -> Read:
    """Reads a number and takes the nearest whole one within these bounds."""
    read = number(least, most)
    return lambda text: round(read(text))


def whole_numbers(least_most: tuple[int, int], count: tuple[int, int], default: Sequence[int]) -> Read:
    """Reads a list like 32-64-128; of too many numbers the first are taken, and too few are filled up by default."""
    read_one, (fewest, most) = whole_number(*least_most), count

    def read(text: str) -> tuple[int, ...]:
        numbers = [] if text == NO_NUMBERS else [read_one(part) for part in separated(text)[:most]]
        numbers += default[len(numbers) : fewest]
        if len(numbers) < fewest:
            raise ValueError(text)
        return tuple(numbers)

    return read


def separated(text: str) -> list[str]:
    """The parts of a list, with hyphens or commas between them."""
    return re.split("[-,]", text)


def says(text: str, value: Any) -> bool:
    """Whether a text says just this value, however it writes it."""
    if isinstance(value, bool):
        return SWITCHED.get(text.lower()) is value
    if isinstance(value, (int, float)):
        return NUMBER.fullmatch(text) is not None and float(text) == value
    if isinstance(value, tuple):
        parts = [] if text == NO_NUMBERS else separated(text)
        return len(parts) == len(value) and all(map(says, parts, value))
    return value is not None and text.lower() == str(value).lower()


def write(value: Any) -> str | None:
    """A value as a query says it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{DECIMALS}g}"  # 0.15 for a slider's 0.15000000000000002
    if isinstance(value, tuple):
        return "-".join(map(str, value)) or NO_NUMBERS
    return None if value is None else str(value)
