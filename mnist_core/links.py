"""A run's settings as the query of an address, and back: whatever a query says, a valid configuration comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
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
from mnist_core.queries import Mended, Query, Read, choice, number, switch, whole_number, whole_numbers, write

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


def rate(text: str) -> float:
    """Reads a learning rate and takes the one, of those that the page offers, that is nearest by its logarithm."""
    read = number(LEARNING_RATES[0], LEARNING_RATES[-1])(text)
    return min(LEARNING_RATES, key=lambda one: abs(math.log(one / read)))


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
