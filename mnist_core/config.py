"""TrainConfig, the one description of a run, and the named choices that it may hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR, StepLR

from mnist_core.augmentation import augment
from mnist_core.colour import COLOUR_SHAPE, colour
from mnist_core.data import Transform
from mnist_core.errors import ConfigError
from mnist_core.messages import say
from mnist_core.models import check_model_options
from mnist_core.muon import Muon


class OneHotMSELoss(nn.Module):
    """Mean squared error between the probabilities and the one-hot labels (Brier, 1950)."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        targets = F.one_hot(labels, logits.shape[1]).float()  # (N,) -> (N, 10)
        return F.mse_loss(logits.softmax(dim=1), targets)


Parameters = Iterable[nn.Parameter]

# fused: the same arithmetic in one pass over the weights instead of several; half the time of a small step.
OPTIMIZERS: dict[str, Callable[[Parameters, TrainConfig], Optimizer]] = {
    "sgd": lambda weights, config: torch.optim.SGD(
        weights, config.learning_rate, weight_decay=config.weight_decay, fused=True
    ),
    "momentum": lambda weights, config: torch.optim.SGD(
        weights, config.learning_rate, momentum=0.9, weight_decay=config.weight_decay, fused=True
    ),
    "adam": lambda weights, config: torch.optim.Adam(
        weights, config.learning_rate, weight_decay=config.weight_decay, fused=True
    ),
    "adamw": lambda weights, config: torch.optim.AdamW(
        weights, config.learning_rate, weight_decay=config.weight_decay, fused=True
    ),
    "muon": lambda weights, config: Muon(weights, config.learning_rate, config.weight_decay),
}

LOSSES: dict[str, Callable[[TrainConfig], nn.Module]] = {
    "cross_entropy": lambda config: nn.CrossEntropyLoss(label_smoothing=config.label_smoothing),
    "mse": lambda config: OneHotMSELoss(),
}

# Each is stepped once after every batch; `batches` is how many there are in an epoch.
SCHEDULES: dict[str, Callable[[Optimizer, TrainConfig, int], LRScheduler]] = {
    "constant": lambda optimizer, config, batches: ConstantLR(optimizer, factor=1.0),
    "one_cycle": lambda optimizer, config, batches: OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.epochs * batches + 1, cycle_momentum=False
    ),
    "step": lambda optimizer, config, batches: StepLR(optimizer, step_size=batches, gamma=0.7),
}

# field -> what it does to every batch of training images, anew each time. In this order: strokes are made thicker and
# thinner as light ink on dark paper.
CHANGES: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {"augment": augment, "colour": colour}

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16")

ALL_IMAGES = 60_000  # of MNIST's training set

# field -> least and most
WHOLE_NUMBERS = {
    "epochs": (1, 1000),
    "batch_size": (1, 60_000),
    "train_images": (1, 1_000_000),
    "made_digits": (0, 100_000),
    "non_digits": (0, 100_000),
    "seed": (0, 2**63 - 1),
    "patience": (1, 1000),
}
NUMBERS = {"learning_rate": (1e-8, 1000.0), "weight_decay": (0.0, 1.0), "label_smoothing": (0.0, 0.5)}
NAMED: dict[str, Collection[str]] = {
    "optimizer": OPTIMIZERS,
    "loss": LOSSES,
    "schedule": SCHEDULES,
    "device": DEVICES,
    "precision": PRECISIONS,
}
SWITCHES = (*CHANGES, "stop_when_stalled")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides how a run goes.

    Equal configurations give equal numbers on the CPU of equal machines with equally many threads.

    Attributes:
        model, model_options: a name of MODELS and what `build_model` takes besides.
        epochs: how often each training image is seen.
        learning_rate: the constant rate; the first of "step"; the highest of "one_cycle".
        train_images: the first so many of the training set; None for all.
        made_digits: how many from the generator in styles.py are added, in styles that MNIST lacks.
        non_digits: how many drawings that are no digit are added, from nondigits.py; needs a model that `refuses`.
        augment: warp each training image at random, each time anew.
        colour: give ink and paper of each image random colours, each time anew, the test images always the same ones:
            3 x 32 x 32. Sets the model's input_channels and input_size.
        precision: of the forward pass; "auto" takes bfloat16 where the hardware computes it.
        patience: after so many epochs without a better test accuracy the run counts as stalled.
        stop_when_stalled: then it stops by itself.

    Raises:
        ConfigError: naming field, value and bound, when a field makes no sense.
    """

    model: str = "fast_cnn"
    model_options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 1
    learning_rate: float = 0.03
    batch_size: int = 128
    optimizer: str = "adamw"
    weight_decay: float = 0.0
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    schedule: str = "one_cycle"
    augment: bool = False
    colour: bool = False
    train_images: int | None = None
    made_digits: int = 0
    non_digits: int = 0
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    patience: int = 3
    stop_when_stalled: bool = False

    def __post_init__(self) -> None:
        options = checked_options(self.model_options)
        if self.colour is True:
            options = {**options, "input_channels": COLOUR_SHAPE[0], "input_size": COLOUR_SHAPE[1]}
        object.__setattr__(self, "model_options", check_model_options(self.model, options))
        for name, (least, most) in WHOLE_NUMBERS.items():
            value = getattr(self, name)
            if value is None and name == "train_images":
                continue
            if type(value) is not int or not least <= value <= most:
                raise ConfigError(name, value, say("a whole number from {least:,} to {most:,}", least=least, most=most))
        for name, (low, high) in NUMBERS.items():
            value = getattr(self, name)
            if type(value) not in (int, float) or not low <= value <= high:
                raise ConfigError(name, value, say("a number from {least:g} to {most:g}", least=low, most=high))
        for name, choices in NAMED.items():
            value = getattr(self, name)
            if not isinstance(value, str) or value not in choices:
                raise ConfigError(name, value, say("one of {names}", names=", ".join(choices)))
        if self.non_digits and not self.model_options.get("refuses"):
            bound = say("0, or the model deep_cnn with the option refuses=True")
            raise ConfigError("non_digits", self.non_digits, bound)
        for name in SWITCHES:
            if type(getattr(self, name)) is not bool:
                raise ConfigError(name, getattr(self, name), say("True or False"))

    @property
    def made_images(self) -> int:
        """How many images are drawn for a run before it begins."""
        return self.made_digits + self.non_digits

    @property
    def images(self) -> int:
        """How many images an epoch has, when the training set is MNIST's."""
        return (self.train_images or ALL_IMAGES) + self.made_images

    def as_dict(self) -> dict[str, Any]:
        """The configuration as plain data, for JSON: `TrainConfig(**config.as_dict())` makes it again."""
        return asdict(self)


def random_changes(config: TrainConfig) -> Transform | None:
    """What is done to each batch of training images, one change after the other; None when there is nothing to do."""
    changes = [change for name, change in CHANGES.items() if getattr(config, name)]
    generator = torch.Generator().manual_seed(config.seed)

    def transform(images: Tensor) -> Tensor:
        for change in changes:
            images = change(images, generator)  # (N, C, H, W) -> the same; colour: (N, 1, 28, 28) -> (N, 3, 32, 32)
        return images

    return transform if changes else None


def checked_options(options: object) -> dict[str, Any]:
    """`options` when it is a dict with names as keys, or a ConfigError."""
    if not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
        raise ConfigError("model_options", options, say("a dict of options by name"))
    return options


RECIPES: dict[str, TrainConfig] = {
    "fast": TrainConfig(model="fast_cnn", epochs=1, learning_rate=0.03, batch_size=128, label_smoothing=0.05),
    "course": TrainConfig(
        model="mlp", epochs=10, learning_rate=0.001, batch_size=64, optimizer="adam", schedule="constant",
        precision="float32",
    ),
    "best": TrainConfig(
        model="deep_cnn", model_options={"channels": (32, 48, 96), "refuses": True}, epochs=20, learning_rate=0.008,
        batch_size=128, optimizer="muon", weight_decay=0.05, label_smoothing=0.05, augment=True, made_digits=15_000,
        non_digits=20_000,
    ),
}  # fmt: skip
