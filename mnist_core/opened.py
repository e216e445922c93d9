"""A network that somebody brings as a file: read, held to what the page can do with one, and tried out."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from mnist_core.colour import COLOUR_SHAPE, GREY_SHAPE
from mnist_core.data import Digits
from mnist_core.errors import WeightsError
from mnist_core.lessons.mistakes import SetReading, read_set
from mnist_core.messages import say
from mnist_core.models import count_parameters
from mnist_core.weights import LARGEST_FILE, load_model

LONGEST_NAME = 40  # characters of a file's name that are shown


@dataclass(frozen=True, eq=False)
class OpenedNetwork:
    """A network from a file.

    Attributes:
        name: the file's, as much of it as may be shown anywhere: letters, digits and a few signs.
        model: frozen and in eval mode.
        reading: how it reads the test set; goes on as long as somebody watches, and then holds what it scores.
    """

    name: str
    model: nn.Module
    reading: SetReading


def open_network(
    content: bytes,
    file_name: str,
    test_digits_for: Callable[[nn.Module], Digits],
    most_bytes: int = LARGEST_FILE,
    most_parameters: int | None = None,
) -> OpenedNetwork:
    """The network whose weights these are, a .pth or .safetensors file; see `load_model`.

    Args:
        test_digits_for: the test set as a network reads it, grey or in colour.
        most_bytes, most_parameters: what may be opened; None is no limit.

    Raises:
        WeightsError: says what is wrong with the file, or what makes the network useless here.
    """
    if len(content) > most_bytes:
        raise WeightsError(
            say("The file has {count:,} bytes; at most {most:,} are read.", count=len(content), most=most_bytes)
        )
    model = load_model(content)
    count = count_parameters(model)
    if most_parameters is not None and count > most_parameters:
        raise WeightsError(
            say("The network has {count:,} parameters; here it may have {most:,}.", count=count, most=most_parameters)
        )
    shape = model.input_shape
    if shape not in (GREY_SHAPE, COLOUR_SHAPE):
        raise WeightsError(
            say(
                "The network takes images of {given}; here they have {grey}, or in colour {colour}.",
                given=" x ".join(map(str, shape)),  # type: ignore[arg-type]
                grey=" x ".join(map(str, GREY_SHAPE)),
                colour=" x ".join(map(str, COLOUR_SHAPE)),
            )
        )
    digits = test_digits_for(model)
    if not next(read_set(model, digits)).isfinite().all():
        raise WeightsError(say("The network's answers are infinite or not numbers: its weights are too large."))
    return OpenedNetwork(shown_name(file_name), model, SetReading(model, digits))


def shown_name(file_name: str) -> str:
    """A file's name with whatever could be more than a letter, a digit or a sign of a name blotted out."""
    composed = unicodedata.normalize("NFC", file_name[: 4 * LONGEST_NAME])
    plain = "".join(character if character.isalnum() or character in "_.+-" else "·" for character in composed)
    return plain if len(plain) <= LONGEST_NAME else plain[: LONGEST_NAME - 1] + "…"
