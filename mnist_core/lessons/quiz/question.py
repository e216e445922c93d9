"""What a question of the quiz is, and how its right answer comes about: the code that is shown is run."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_core.messages import Message

MOST_CHOICES = 4


@dataclass(frozen=True)
class Choice:
    """An answer that one may choose, and why it is right or wrong."""

    text: Message
    because: Message


@dataclass(frozen=True)
class Draft:
    """A question before its choices are mixed.

    Attributes:
        code: what is asked about, as it was run; empty for none.
        wrong: the likeliest mistakes first; any that happens to say the same as another choice is dropped.
    """

    text: Message
    right: Choice
    wrong: Sequence[Choice]
    code: str = ""


Kind = Callable[[Random], Draft]  # a kind of question; chance varies its numbers


@dataclass(frozen=True)
class Topic:
    """What a few kinds of questions are about."""

    name: Message
    kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class Question:
    """A question with its choices in the order in which they are shown.

    Attributes:
        kind: the name of the function that made it. right: which of the choices.
    """

    topic: str
    kind: str
    text: Message
    code: str
    choices: tuple[Choice, ...]
    right: int


def pose(topic: str, kind: Kind, chance: Random) -> Question:
    """A question of this kind, with two to four choices in a chance order, no two of them alike."""
    draft = kind(chance)
    chosen = [draft.right]
    for choice in draft.wrong:
        if choice.text not in [other.text for other in chosen]:
            chosen.append(choice)
    chosen = chosen[:MOST_CHOICES]
    chance.shuffle(chosen)
    return Question(topic, kind.__name__, draft.text, draft.code, tuple(chosen), chosen.index(draft.right))


def result_of(code: str, given: Mapping[str, Any] | None = None) -> Any:
    """The value of the last line of this code, after all of it was run, as in a notebook.

    Args:
        given: names that the code may use, besides torch, nn, F and Tensor.
    """
    names: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "Tensor": Tensor, "__name__": "quiz", **(given or {})}
    *lines, last = ast.parse(code).body
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(lines, []), "<quiz>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<quiz>", "eval"), names)


def source_of(shown: Any) -> str:
    """The source of a class or function, without what only a type checker reads."""
    return re.sub("  # type: ignore.*", "", inspect.getsource(shown))


def error_of(run: Callable[[], object]) -> str:
    """The name of the error that a function raises, or "" when it runs through."""
    try:
        run()
    except Exception as error:
        return type(error).__name__
    return ""


def settled(text: Message, choices: Mapping[Choice, bool], code: str = "") -> Draft:
    """A question whose choices were tried: exactly one turned out to be true.

    Raises:
        ValueError: when none did, or several.
    """
    true = [choice for choice, is_true in choices.items() if is_true]
    if len(true) != 1:
        raise ValueError(f"{len(true)} choices are true: {text}")
    return Draft(text, true[0], [choice for choice in choices if choice is not true[0]], code)


def number(value: float, spec: str = ",") -> Message:
    """A number as a choice; the page writes it as its language does."""
    return Message("{value:" + spec + "}", value=value)


def percent(share: float, digits: int = 0) -> Message:
    """A share 0..1 as a choice."""
    return Message("{value:." + str(digits) + "f} %", value=100 * share)


def code_text(code: object) -> Message:
    """A piece of code, a shape or a name as a choice: no language changes it."""
    return Message("`{code}`", code=str(code))
