"""What a visitor gives to the owner of a server: their labelled drawings as they are now, once they have agreed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mnist_core.errors import DigitPlaygroundError
from mnist_core.messages import Message
from mnist_core.my_digits import MyDigits
from mnist_core.own_digits import OwnDigit


class Store(Protocol):
    """Where labelled drawings are kept beyond a visit; each method raises a DigitPlaygroundError when it fails."""

    def add(self, own: OwnDigit) -> int:
        """Keep one; its number in the store."""

    def relabel(self, number: int, label: int) -> object:
        """Give one another label."""

    def remove(self, number: int) -> object:
        """Forget one."""


class Contribution:
    """Brings a store in line with the drawings of one visit: nothing of them is in it unless their author agrees.

    Attributes:
        agreed: True or False, as the author has said; None as long as they were not asked.
        problem: why the store does not have what it should have; None when it has. The drawings themselves are safe.
    """

    def __init__(self) -> None:
        self.agreed: bool | None = None
        self.problem: Message | None = None
        self._stored: dict[int, tuple[int, int]] = {}  # a drawing's number -> its number in the store, and its label
        self._followed: tuple[bool | None, int] = (None, 0)

    def __len__(self) -> int:
        return len(self._stored)

    def decide(self, agreed: bool) -> None:
        """Take note of what the author says; the next `follow` acts on it."""
        self.agreed = agreed

    def try_again(self) -> None:
        """Let the next `follow` do what has failed."""
        self._followed = (None, -1)

    def follow(self, open_store: Callable[[], Store], digits: MyDigits) -> None:
        """Add, relabel and remove in the store what has changed since the last time; a failure becomes `problem`."""
        if self._followed == (self.agreed, digits.revision):
            return
        self._followed, self.problem = (self.agreed, digits.revision), None
        try:
            if self.agreed or self._stored:
                self._bring_in_line(open_store(), digits)
        except DigitPlaygroundError as error:
            self.problem = error.message

    def _bring_in_line(self, store: Store, digits: MyDigits) -> None:
        """Each change is noted when it has succeeded, so that after a failure the rest is left to do."""
        wanted = {kept.number: kept.digit for kept in digits} if self.agreed else {}
        for number in self._stored.keys() - wanted.keys():
            store.remove(self._stored[number][0])
            del self._stored[number]
        for number, digit in wanted.items():
            if number not in self._stored:
                self._stored[number] = store.add(digit), digit.label
            elif self._stored[number][1] != digit.label:
                store.relabel(self._stored[number][0], digit.label)
                self._stored[number] = self._stored[number][0], digit.label
