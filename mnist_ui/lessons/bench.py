"""A visitor's own copy of a network, an optimizer and a batch, for one step at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st
import torch
from torch import nn
from torch.optim import Optimizer

from mnist_core import Digits, TrainConfig, build_model, load_mnist
from mnist_core.colour import digits_for
from mnist_core.config import OPTIMIZERS
from mnist_core.lessons.stepping import Stepper, trainable_copy
from mnist_core.models import count_model_parameters, count_parameters
from mnist_ui.given_back import keep_what_is_there
from mnist_ui.visitor import SHIPPED, Visitor

NAME = "step"
BATCH_SIZE = 16  # images: all can be shown, and a network keeps little while it waits between forward and backward
BATCHES = 60  # different ones, from the beginning of the training set
LARGEST = 1_000_000  # weights of a network that is copied for a visitor; a step takes six such copies
ANSWERING, UNTRAINED = "answering", "untrained"


@dataclass
class Bench:
    """A visitor's own copy of a network with an optimizer, and the step that it is in.

    Attributes:
        kind: whose network it is, by what tells it from others; another kind makes another bench.
        source: the network that was copied, which stays as it is. steps: how many it had been trained.
    """

    kind: tuple[object, ...]
    source: nn.Module
    steps: int
    optimizer_name: str
    rate: float
    batch: int = 0
    stepper: Stepper = field(init=False)
    optimizer: Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The same batch from its first line, with the network as it was copied and a new optimizer."""
        model = trainable_copy(self.source)
        config = TrainConfig(optimizer=self.optimizer_name, learning_rate=self.rate)
        self.optimizer = OPTIMIZERS[self.optimizer_name](model.parameters(), config)
        self._begin(model)

    def go_to_next_batch(self) -> None:
        """Another batch, with network, `.grad` and optimizer as the one before has left them."""
        self.batch = (self.batch + 1) % BATCHES
        self._begin(self.stepper.model)

    def _begin(self, model: nn.Module) -> None:
        batch = self.digits().__getitems__(list(range(BATCH_SIZE)))
        self.stepper = Stepper(model, batch.images, batch.labels, nn.CrossEntropyLoss(), self.optimizer)

    def digits(self) -> Digits:
        """The batch's images, of the shape that the network takes: grey, or in colour."""
        all_digits, chosen = training_digits(), slice(BATCH_SIZE * self.batch, BATCH_SIZE * (self.batch + 1))
        return digits_for(self.source, Digits(all_digits.images[chosen], all_digits.labels[chosen]))


@st.cache_resource(show_spinner=False)
def training_digits() -> Digits:
    """The first images of MNIST's training set, a copy that lets go of the others; one for all visitors."""
    digits = load_mnist("train")
    count = BATCHES * BATCH_SIZE
    return Digits(digits.images[:count].clone(), digits.labels[:count].clone())


@st.cache_resource(show_spinner=False)
def get_ready() -> bool:
    """What takes seconds once in a server: the images, and what torch imports for its first optimizer."""
    training_digits()
    torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1).zero_grad()
    keep_what_is_there()
    return True


def find_bench(visitor: Visitor, network: str, optimizer: str, rate: float) -> Bench | None:
    """The visitor's bench for these choices, a new one if there is none yet; None for a network that is too large."""
    bench: Bench | None = visitor.notes.get(NAME)
    config = visitor.config
    kind: tuple[object, ...]
    if network == UNTRAINED:
        kind = (network, config.model, repr(config.model_options))
    else:
        name, steps, source = visitor.answering_model()
        kind = (network, name, None if name == SHIPPED else visitor.own_network)

    if bench is not None and bench.kind == kind:
        if (bench.optimizer_name, bench.rate) == (optimizer, rate):
            return bench
        source, steps = bench.source, bench.steps
    elif network == UNTRAINED:
        if count_model_parameters(config.model, **config.model_options) > LARGEST:
            return None
        source, steps = build_model(config.model, **config.model_options), 0
    elif count_parameters(source) > LARGEST:
        return None
    batch = 0 if bench is None else bench.batch
    visitor.notes[NAME] = bench = Bench(kind, source, steps, optimizer, rate, batch)
    return bench
