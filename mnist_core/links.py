"""A run's settings as the query of an address, and back: whatever a query says, a valid configuration comes of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from mnist_core.config import ALL_IMAGES, DEVICES, LOSSES, OPTIMIZERS, PRECISIONS, RECIPES, SCHEDULES, TrainConfig
from mnist_core.models import (
    ACTIVATIONS,
    CHANNELS,
    DROPOUT,
    HIDDEN_LAYERS,
    HIDDEN_SIZE,
    MODELS,
    STAGES,
    count_model_parameters,
)  # fmt: skip

FIRST_RECIPE = next(iter(RECIPES))
LEARNING_RATES = sorted(
    {float(f"{digit}e{power}") for power in range(-5, 3) for digit in (1, 2, 5)}
    | {recipe.learning_rate for recipe in RECIPES.values()}
)
# What a page offers of a field, least and most: some of TrainConfig's own bounds are wider.
OFFERED = {
    "epochs": (1, 1000),
    "batch_size": (1, 10_000),
    "train_images": (100, ALL_IMAGES),
    "made_digits": (0, 100_000),
    "non_digits": (0, 100_000),
    "seed": (0, 2**31 - 1),
}
OFFERED_NUMBERS = {"label_smoothing": (0.0, 0.5), "weight_decay": (0.0, 1.0)}
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


def rate(text: str) -> float:
    """Reads a learning rate and takes the one, of those that the page offers, that is nearest by its logarithm."""
    read = number(LEARNING_RATES[0], LEARNING_RATES[-1])(text)
    return min(LEARNING_RATES, key=lambda one: abs(math.log(one / read)))


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


@dataclass(frozen=True)
class Named:
    """A field of TrainConfig or an option of a model: its name in a query, and how it is read there."""

    name: str
    read: Read


FIELDS: dict[str, Named] = {
    "epochs": Named("epochs", whole_number(*OFFERED["epochs"])),
    "learning_rate": Named("rate", rate),
    "batch_size": Named("batch", whole_number(*OFFERED["batch_size"])),
    "optimizer": Named("optimizer", choice(OPTIMIZERS)),
    "loss": Named("loss", choice(LOSSES)),
    "label_smoothing": Named("smoothing", number(*OFFERED_NUMBERS["label_smoothing"])),
    "weight_decay": Named("decay", number(*OFFERED_NUMBERS["weight_decay"])),
    "schedule": Named("schedule", choice(SCHEDULES)),
    "augment": Named("augment", switch),
    "colour": Named("colour", switch),
    "train_images": Named("images", whole_number(*OFFERED["train_images"])),
    "made_digits": Named("made", whole_number(*OFFERED["made_digits"])),
    "non_digits": Named("nondigits", whole_number(*OFFERED["non_digits"])),
    "seed": Named("seed", whole_number(*OFFERED["seed"])),
    "stop_when_stalled": Named("stop", switch),
    "precision": Named("precision", choice(PRECISIONS)),
    "device": Named("device", choice(DEVICES)),
}

# option -> how it is named and read for one model, whose default it is given
OPTIONS: dict[str, Callable[[str, Any], Named]] = {
    "hidden_sizes": lambda model, default: Named("hidden", whole_numbers(HIDDEN_SIZE, HIDDEN_LAYERS, default)),
    "channels": lambda model, default: Named("channels", whole_numbers(CHANNELS, STAGES[model], default)),
    "dropout": lambda model, default: Named("dropout", number(*DROPOUT)),
    "activation": lambda model, default: Named("activation", choice(ACTIVATIONS)),
    "refuses": lambda model, default: Named("refuses", switch),
}


def starting_point(recipe: str, model: str) -> TrainConfig:
    """What a recipe says for a model: for one that is not its own, with the options that this model has by default."""
    chosen = RECIPES[recipe]
    return chosen if model == chosen.model else replace(chosen, model=model, model_options={}, non_digits=0)


def field_value(config: TrainConfig, field: str) -> Any:
    """A field as a query says it: there all training images are 60,000."""
    value = getattr(config, field)
    return ALL_IMAGES if field == "train_images" and value is None else value


def write_query(recipe: str, config: TrainConfig) -> dict[str, str]:
    """What a query says of a configuration: that in which it differs from its recipe; of the first recipe, nothing."""
    query = {} if recipe == FIRST_RECIPE else {"recipe": recipe}
    if config.model != RECIPES[recipe].model:
        query["model"] = config.model
    start = starting_point(recipe, config.model)
    written = {
        OPTIONS[option](config.model, value).name: (write(config.model_options[option]), write(value))
        for option, value in start.model_options.items()
        if option in OPTIONS
    }
    for field, named in FIELDS.items():
        usual = field_value(start, field)
        if field == "non_digits":
            if not config.model_options.get("refuses"):
                continue
            usual = RECIPES[recipe].non_digits
        written[named.name] = (write(field_value(config, field)), write(usual))
    return query | {name: str(text) for name, (text, usual) in written.items() if text != usual}


def read_query(
    query: Query,
    devices: Collection[str] = DEVICES,
    limits: Mapping[str, int] = MappingProxyType({}),
    most_parameters: int | None = None,
) -> tuple[str, TrainConfig]:
    """The recipe and the configuration that a query asks for; what makes no sense becomes what the recipe says.

    Args:
        query: says afterwards what had to be mended. devices: those that there are, besides "auto".
        limits: the most that is allowed of some fields; also of what the recipe says.
        most_parameters: a larger network gets the recipe's options.
    """
    recipe = query.value("recipe", choice(RECIPES), FIRST_RECIPE)
    model = query.value("model", choice(MODELS), RECIPES[recipe].model)
    start = starting_point(recipe, model)
    options, asked = dict(start.model_options), {}
    for option, default in start.model_options.items():
        if option in OPTIONS:
            named = OPTIONS[option](model, default)
            options[option] = query.value(named.name, named.read, default)
            asked[option] = named.name
    values = {field: field_value(start, field) for field in FIELDS}
    values["non_digits"] = RECIPES[recipe].non_digits
    fields = FIELDS | {field: limited(field, most) for field, most in limits.items()}
    fields["device"] = Named("device", choice(["auto", *devices]))
    if not options.get("refuses"):
        del fields["non_digits"]  # such a network has no use for them
        values["non_digits"] = 0
    for field, named in fields.items():
        usual = min(values[field], limits[field]) if field in limits else values[field]
        if usual != values[field] and not query.asks_for(named.name):
            query.mended.append(Mended(named.name, str(values[field]), str(usual)))
        values[field] = query.value(named.name, named.read, usual)
    if values["train_images"] == ALL_IMAGES:
        values["train_images"] = None
    config = replace(start, model_options=options, **values)
    if most_parameters is not None and count_model_parameters(model, **config.model_options) > most_parameters:
        for option, name in asked.items():
            if options[option] != start.model_options[option]:
                query.mended.append(Mended(name, str(write(options[option])), write(start.model_options[option])))
        config = replace(config, model_options=dict(start.model_options))
    return recipe, config


def limited(field: str, most: int) -> Named:
    """A field of whole numbers as it is read where at most `most` is allowed."""
    least, usual_most = OFFERED[field]
    return Named(FIELDS[field].name, whole_number(min(least, most), min(usual_most, most)))
