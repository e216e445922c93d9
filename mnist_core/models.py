"""The networks, each called as `model(images)`: images (N, C, H, W) float32 in, logits (N, 10) out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_core.errors import ConfigError
from mnist_core.messages import say

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class MLP(nn.Module):
    """The course's network: flatten, 784-128-ReLU-10."""

    def __init__(
        self,
        hidden_sizes: Sequence[int] = (128,),
        dropout: float = 0.0,
        activation: str = "relu",
        input_channels: int = 1,
        input_size: int = 28,
    ) -> None:
        super().__init__()
        self.input_shape = (input_channels, input_size, input_size)
        sizes = (input_channels * input_size * input_size, *hidden_sizes)
        self.flatten = nn.Flatten()
        self.hidden = nn.ModuleList(nn.Linear(size, next_size) for size, next_size in pairwise(sizes))
        self.activation = ACTIVATIONS[activation]()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(sizes[-1], 10)

    def forward(self, images: Tensor) -> Tensor:
        features = self.flatten(images)  # (N, 1, 28, 28) -> (N, 784)
        for layer in self.hidden:
            features = self.dropout(self.activation(layer(features)))  # (N, 784) -> (N, 128)
        logits: Tensor = self.output(features)  # (N, 128) -> (N, 10)
        return logits


class SequentialMLP(nn.Sequential):
    """The same network as `MLP`, written as a list: nn.Sequential brings the forward."""

    def __init__(
        self,
        hidden_sizes: Sequence[int] = (128,),
        dropout: float = 0.0,
        activation: str = "relu",
        input_channels: int = 1,
        input_size: int = 28,
    ) -> None:
        sizes = (input_channels * input_size * input_size, *hidden_sizes)
        layers: list[nn.Module] = [nn.Flatten()]  # (N, 1, 28, 28) -> (N, 784)
        for size, next_size in pairwise(sizes):
            layers += [nn.Linear(size, next_size), ACTIVATIONS[activation]()]  # (N, 784) -> (N, 128)
            if dropout:
                layers += [nn.Dropout(dropout)]
        super().__init__(*layers, nn.Linear(sizes[-1], 10))  # (N, 128) -> (N, 10)
        self.input_shape = (input_channels, input_size, input_size)


class CNN(nn.Module):
    """A small convolutional network: convolve and halve, twice, then one linear layer."""

    def __init__(
        self,
        channels: Sequence[int] = (16, 32),
        dropout: float = 0.0,
        activation: str = "relu",
        input_channels: int = 1,
        input_size: int = 28,
    ) -> None:
        super().__init__()
        self.input_shape = (input_channels, input_size, input_size)
        widths = (input_channels, *channels)
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, kernel_size=3, padding=1) for a, b in pairwise(widths))
        self.activation = ACTIVATIONS[activation]()
        self.pool = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(channels[-1] * (input_size >> len(channels)) ** 2, 10)

    def forward(self, images: Tensor) -> Tensor:
        features = images
        for convolution in self.convolutions:
            features = self.pool(self.activation(convolution(features)))  # (N, 1, 28, 28) -> (N, 16, 14, 14) -> ...
        features = self.dropout(self.flatten(features))  # (N, 32, 7, 7) -> (N, 1568)
        logits: Tensor = self.output(features)  # (N, 1568) -> (N, 10)
        return logits


def convolve(inputs: int, outputs: int, kernel_size: int, stride: int, activation: str) -> nn.Sequential:
    """Convolution, batch norm, activation; batch norm brings the bias."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        ACTIVATIONS[activation](),
    )


class FastCNN(nn.Module):
    """Made for speed: the picture shrinks to 3 x 3 early and cheaply, batch norm allows a high learning rate.

    Three choices more than halve the time of a step on a CPU, at equal accuracy: the first convolution does without
    padding, for a picture's margin is paper; the largest of four is taken before batch norm and activation, which then
    have a quarter to do; the channels of a pixel lie side by side in memory (channels_last), as convolutions read them.
    """

    def __init__(
        self,
        channels: Sequence[int] = (24, 32, 64),
        dropout: float = 0.0,
        activation: str = "relu",
        input_channels: int = 1,
        input_size: int = 28,
    ) -> None:
        super().__init__()
        self.input_shape = (input_channels, input_size, input_size)
        first, second, third = channels
        self.features = nn.Sequential(
            nn.Conv2d(input_channels, first, kernel_size=5, stride=2, bias=False),  # (N, 1, 28, 28) -> (N, 24, 12, 12)
            nn.MaxPool2d(2),  # -> (N, 24, 6, 6)
            nn.BatchNorm2d(first),
            ACTIVATIONS[activation](),
            nn.Conv2d(first, second, kernel_size=3, padding=1, bias=False),  # -> (N, 32, 6, 6)
            nn.MaxPool2d(2),  # -> (N, 32, 3, 3)
            nn.BatchNorm2d(second),
            ACTIVATIONS[activation](),
            convolve(second, third, 3, 1, activation),  # -> (N, 64, 3, 3)
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(third * ((input_size - 3) // 8) ** 2, 10)

    def forward(self, images: Tensor) -> Tensor:
        images = images.to(memory_format=torch.channels_last)  # and so all that is made of them
        features = self.features(images)  # (N, 1, 28, 28) -> (N, 64, 3, 3)
        features = features.permute(0, 2, 3, 1).flatten(1)  # -> (N, 3, 3, 64) -> (N, 576): as they lie, nothing moves
        logits: Tensor = self.output(self.dropout(features))  # -> (N, 10)
        return logits


class DeepCNN(nn.Module):
    """Made for accuracy: five convolutions, the largest of each of 3 x 3 fields of the picture, one linear layer.

    The fields say where something was seen: with the mean over the whole picture instead, which does not, as much
    training leaves half as many mistakes again.

    A network that `refuses` learns from images of no digit too, with the label 10: in training it has an eleventh
    logit, always 0, and whatever is no digit must bring the other ten below it. Afterwards the ten are enough: their
    logsumexp says how much rather a digit was seen than none, so below 0 it saw none.
    """

    def __init__(
        self,
        channels: Sequence[int] = (24, 48, 96),
        dropout: float = 0.2,
        activation: str = "relu",
        refuses: bool = False,
        input_channels: int = 1,
        input_size: int = 28,
    ) -> None:
        super().__init__()
        self.refuses = refuses
        self.input_shape = (input_channels, input_size, input_size)
        first, second, third = channels
        self.features = nn.Sequential(
            convolve(input_channels, first, 5, 2, activation),  # (N, 1, 28, 28) -> (N, 24, 14, 14)
            convolve(first, second, 3, 1, activation),  # -> (N, 48, 14, 14)
            nn.MaxPool2d(2),  # -> (N, 48, 7, 7)
            convolve(second, third, 3, 1, activation),  # -> (N, 96, 7, 7)
            convolve(third, third, 3, 1, activation),
            convolve(third, third, 3, 1, activation),
            nn.MaxPool2d(3, stride=2),  # -> (N, 96, 3, 3)
        )
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(9 * third, 10)

    def forward(self, images: Tensor) -> Tensor:
        images = images.to(memory_format=torch.channels_last)  # and so all that is made of them
        features = self.flatten(self.features(images))  # (N, 1, 28, 28) -> (N, 96, 3, 3) -> (N, 864)
        logits: Tensor = self.output(self.dropout(features))  # -> (N, 10)
        if self.refuses and self.training:
            logits = F.pad(logits, (0, 1))  # -> (N, 11), the last always 0
        return logits


MODELS: dict[str, type[nn.Module]] = {
    "mlp": MLP,
    "mlp_sequential": SequentialMLP,
    "cnn": CNN,
    "fast_cnn": FastCNN,
    "deep_cnn": DeepCNN,
}

HIDDEN_LAYERS, HIDDEN_SIZE = (0, 4), (1, 2048)  # least and most
CHANNELS = (1, 256)
DROPOUT = (0.0, 0.9)
STAGES = {"cnn": (1, 4), "fast_cnn": (3, 3), "deep_cnn": (3, 3)}  # how many channel numbers a model takes


def whole_numbers(field: str, value: object, least_most: tuple[int, int], count: tuple[int, int]) -> tuple[int, ...]:
    """`value` as a tuple of whole numbers within bounds, or a ConfigError."""
    (least, most), (fewest, many) = least_most, count
    how_many = f"{fewest}" if fewest == many else say("{fewest} to {most}", fewest=fewest, most=many)
    if (
        isinstance(value, (list, tuple))
        and fewest <= len(value) <= many
        and all(type(number) is int and least <= number <= most for number in value)
    ):
        return tuple(value)
    bound = say("a list of {count} whole numbers, each {least} to {most}", count=how_many, least=least, most=most)
    raise ConfigError(field, value, bound)


def model_options(name: str) -> dict[str, Any]:
    """The options of a model by name, with their defaults.

    Raises:
        ConfigError: for a model that does not exist.
    """
    if not isinstance(name, str) or name not in MODELS:
        raise ConfigError("model", name, say("one of {names}", names=", ".join(MODELS)))
    return {option.name: option.default for option in inspect.signature(MODELS[name]).parameters.values()}


def check_model_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a model, the given ones checked and the rest by default.

    Raises:
        ConfigError: names the option, its value and the bound, for every option that makes no sense.
    """
    known = model_options(name)
    for option, value in options.items():
        if option not in known:
            raise ConfigError(f"{name} option", option, say("one of {names}", names=", ".join(known)))
        if option == "hidden_sizes":
            known[option] = whole_numbers(option, value, HIDDEN_SIZE, HIDDEN_LAYERS)
        elif option == "channels":
            known[option] = whole_numbers(option, value, CHANNELS, STAGES[name])
        elif option == "dropout":
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not DROPOUT[0] <= value <= DROPOUT[1]:
                bound = say("a number from {least} to {most}", least=DROPOUT[0], most=DROPOUT[1])
                raise ConfigError(option, value, bound)
            known[option] = float(value)
        else:
            allowed = {
                "activation": tuple(ACTIVATIONS),
                "refuses": (False, True),
                "input_channels": (1, 3),
                "input_size": (28, 32),
            }[option]
            if type(value) is not type(allowed[0]) or value not in allowed:
                raise ConfigError(option, value, say("one of {names}", names=", ".join(map(str, allowed))))
            known[option] = value
    return known


def build_model(name: str, **options: Any) -> nn.Module:
    """A new network by name, its weights drawn from torch's generator.

    Args:
        name: one of MODELS. options: see `model_options(name)`.

    Returns:
        A module that maps images (N, *model.input_shape) float32, normalised, to logits (N, 10). It remembers what it
        is in `model.architecture`: {"model": name, "options": all its options}.

    Raises:
        ConfigError: for an unknown model or an option that makes no sense.
    """
    checked = check_model_options(name, options)
    model = MODELS[name](**checked)
    model.architecture = {"model": name, "options": checked}  # type: ignore[assignment]
    return model


def takes_colours(model: nn.Module) -> bool:
    """Whether the network reads images in red, green and blue."""
    channels: int = getattr(model, "input_shape", (1, 28, 28))[0]
    return channels == 3


def count_parameters(model: nn.Module) -> int:
    """How many numbers training can change."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_model_parameters(name: str, **options: Any) -> int:
    """How many numbers a network would have, without making them: the meta device holds shapes only."""
    with torch.device("meta"):
        return count_parameters(build_model(name, **options))
