"""What a server allows of a run: the bounds of its settings, and whether a configuration keeps within them."""

from __future__ import annotations

from dataclasses import replace

from mnist_core.config import TrainConfig
from mnist_core.errors import ConfigError
from mnist_core.links import OFFERED, field_value
from mnist_core.messages import say
from mnist_core.models import count_model_parameters
from mnist_core.server_settings import ServerSettings

LIMITED = ("epochs", "batch_size", "train_images", "made_digits", "non_digits")  # fields of TrainConfig


def allowed(settings: ServerSettings) -> dict[str, int]:
    """The most that a server allows, by field of TrainConfig, where it sets a limit."""
    limits = {field: getattr(settings, field) for field in LIMITED}
    return {field: limit for field, limit in limits.items() if limit is not None}


def bounds(field: str, settings: ServerSettings) -> tuple[int, int]:
    """The least and the most of a field of whole numbers that a page offers on this server."""
    least, most = OFFERED[field]
    most = min(most, allowed(settings).get(field, most))
    return min(least, most), most


def within_limits(config: TrainConfig, settings: ServerSettings) -> TrainConfig:
    """The configuration with each number pulled to what is allowed; the size of its network stays as it is."""
    over = {field: most for field, most in allowed(settings).items() if field_value(config, field) > most}
    return replace(config, **over)  # type: ignore[arg-type]


def check_limits(config: TrainConfig, settings: ServerSettings) -> None:
    """Raise a ConfigError, naming the field and the limit, unless the server allows this configuration."""
    for field, most in allowed(settings).items():
        if field_value(config, field) > most:
            bound = say("at most {most:,} on this server", most=most)
            raise ConfigError(field, field_value(config, field), bound)
    parameters = count_model_parameters(config.model, **config.model_options)
    if settings.parameters is not None and parameters > settings.parameters:
        bound = say("at most {most:,} on this server: choose fewer or smaller layers", most=settings.parameters)
        raise ConfigError("parameters", parameters, bound)
