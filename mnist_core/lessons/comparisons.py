"""Two runs on equal seeds, one with the right function and one with its broken twin, told as plain facts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice, repeat
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_core.config import TrainConfig
from mnist_core.data import Digits, make_loader
from mnist_core.lessons.broken_habits import Loader, choose_learning_rate, load_digits_with_their_labels
from mnist_core.lessons.graph_memory import HeldForBackward
from mnist_core.prediction import as_input
from mnist_core.training import Evaluation, build_seeded_model, evaluate, train_step

RIGHT, BROKEN = "right", "broken"
IMAGES, EPOCHS, TEST_IMAGES = 10_000, 2, 2000  # what the two networks learn from, how often, and are tested on
ONE_HIDDEN_LAYER = TrainConfig(model="mlp")
WITH_BATCH_NORM = TrainConfig(model="fast_cnn")
ONE_LAYER = TrainConfig(model="mlp", model_options={"hidden_sizes": ()})
FEW_IMAGES, MANY_EPOCHS = 500, 30  # what a network learns by heart, and how often it sees it
AFTER_TEST_IMAGES = 2000
READINGS, COMPANIONS, READER_IMAGES = 20, 1, 1000
TESTED_AT_ONCE, TESTED_BATCHES = 20, 20


@dataclass(frozen=True, slots=True)
class Measured:
    """One point of one of the two curves.

    Attributes:
        side: RIGHT or BROKEN. step, steps: 1 ... steps. value: in the comparison's unit; may be infinite or NaN.
    """

    side: str
    step: int
    steps: int
    value: float


@dataclass(frozen=True, slots=True)
class Found:
    """A number that a comparison has come to, by name; accuracies and probabilities are 0..1."""

    name: str
    value: float


Facts = Iterator[Measured | Found]
Findings = Mapping[str, float]


@dataclass(frozen=True)
class Material:
    """What a comparison works on.

    Attributes:
        train, test: digits (N, 1, 28, 28) to learn from and to be tested on.
        picture: a drawing as it is prepared, (28, 28) float32, 0..1.
        seed: where chance begins, for both runs alike.
    """

    train: Digits
    test: Digits
    picture: NDArray[np.float32]
    seed: int = 0


# --- two networks learn

Learning = Callable[[nn.Module], Iterator[tuple[Tensor, Tensor]]]  # trains the model; yields loss () and logits (N, 10)


def compare_steps(right: Callable[..., Any], broken: Callable[..., Any], material: Material) -> Facts:
    """Each network learns with a step of its own, as `train_step`."""
    return race(partial(learn, material, step=right), partial(learn, material, step=broken), material)


def compare_steps_of_one_layer(right: Callable[..., Any], broken: Callable[..., Any], material: Material) -> Facts:
    """The same with the smallest network that there is, a single linear layer, and smaller steps."""
    choose = partial(torch.optim.SGD, lr=0.02)
    learn_right, learn_broken = (partial(learn, material, step=step, choose=choose) for step in (right, broken))
    return race(learn_right, learn_broken, material, ONE_LAYER)


def compare_loaders(right: Callable[..., Any], broken: Callable[..., Any], material: Material) -> Facts:
    """Each network is fed by a loader of its own, as `load_digits_with_their_labels`."""
    return race(partial(learn, material, load=right), partial(learn, material, load=broken), material)


def compare_optimizers(right: Callable[..., Any], broken: Callable[..., Any], material: Material) -> Facts:
    """Each network has an optimizer of its own, as `choose_learning_rate`."""
    return race(partial(learn, material, choose=right), partial(learn, material, choose=broken), material)


def compare_loops(right: Callable[..., Any], broken: Callable[..., Any], material: Material) -> Facts:
    """Each network learns in a loop of its own, as `learn_batch_by_batch`."""
    return race(partial(learn_in, right, material), partial(learn_in, broken, material), material)


def compare_loops_after_a_test(right: Callable[..., Any], broken: Callable[..., Any], material: Material) -> Facts:
    """The same with a network with batch norm that has just been tested, and learns from fewer images."""
    material = replace(material, train=material.train.first(AFTER_TEST_IMAGES))

    def learn_after_test(loop: Callable[..., Any], model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        yield from learn_in(loop, material, model.eval())

    return race(partial(learn_after_test, right), partial(learn_after_test, broken), material, WITH_BATCH_NORM)


def learn(
    material: Material,
    model: nn.Module,
    step: Callable[..., tuple[Tensor, Tensor]] = train_step,
    load: Callable[[Digits, int], Loader] = load_digits_with_their_labels,
    choose: Callable[..., torch.optim.Optimizer] = choose_learning_rate,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Train the model step by step; yields what the step returns."""
    loader, loss_fn, optimizer = load(material.train, material.seed), nn.CrossEntropyLoss(), choose(model.parameters())
    for images, labels in chain.from_iterable(repeat(loader, EPOCHS)):
        yield step(model, images, labels, loss_fn, optimizer)


def learn_in(loop: Callable[..., Any], material: Material, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Train the model in a loop that is given all batches."""
    loader = load_digits_with_their_labels(material.train, material.seed)
    batches = chain.from_iterable(repeat(loader, EPOCHS))
    yield from loop(model, batches, nn.CrossEntropyLoss(), choose_learning_rate(model.parameters()))


def race(right: Learning, broken: Learning, material: Material, network: TrainConfig = ONE_HIDDEN_LAYER) -> Facts:
    """Let two equal networks learn side by side, batch by batch, and test both at the end.

    Yields:
        Measured: the loss of each batch as the loop tells it; a side ends when its loss is no longer finite.
        Found: for each side first_loss, highest_loss (the highest finite one), loss (the mean of the last tenth), on
        test images the accuracy, the favourite answer and its share; the number of steps.
    """
    config = replace(network, seed=material.seed)
    models = {RIGHT: build_seeded_model(config), BROKEN: build_seeded_model(config)}
    learnings = {RIGHT: right(models[RIGHT]), BROKEN: broken(models[BROKEN])}
    losses: dict[str, list[float]] = {RIGHT: [], BROKEN: []}
    steps = EPOCHS * len(load_digits_with_their_labels(material.train, material.seed))
    for step in range(1, steps + 1):
        for side, learning in learnings.items():
            if all(map(math.isfinite, losses[side][-1:])):
                loss, _ = next(learning)
                losses[side].append(loss.item())
                yield Measured(side, step, steps, losses[side][-1])
    tests = make_loader(material.test.first(TEST_IMAGES), 500)
    for side, model in models.items():
        yield Found(f"{side}_first_loss", losses[side][0])
        yield Found(f"{side}_highest_loss", max(filter(math.isfinite, losses[side]), default=math.inf))
        yield Found(f"{side}_loss", float(np.mean(losses[side][-max(1, steps // 10) :])))
        tested = evaluate(model, tests, "cpu")
        answers = tested.confusion.sum(dim=0)  # (10, 10) -> (10,): how often each digit was the answer
        yield Found(f"{side}_accuracy", tested.accuracy)
        yield Found(f"{side}_favourite", int(answers.argmax()))
        yield Found(f"{side}_favourite_share", float(answers.max() / answers.sum()))
    yield Found("steps", steps)


# --- one network reads the same drawing again and again


def compare_readings_alone(right: Callable[..., Any], broken: Callable[..., Any], material: Material) -> Facts:
    """A network with dropout reads the drawing alone."""
    config = TrainConfig(model="mlp", model_options={"dropout": 0.5}, seed=material.seed)
    yield from read_again_and_again(right, broken, material, config, companions=0)


def compare_readings_in_company(right: Callable[..., Any], broken: Callable[..., Any], material: Material) -> Facts:
    """A network with batch norm reads the drawing in a batch with test digits, each time others."""
    config = replace(WITH_BATCH_NORM, seed=material.seed)
    yield from read_again_and_again(right, broken, material, config, companions=COMPANIONS)


def read_again_and_again(
    right: Callable[..., Tensor],
    broken: Callable[..., Tensor],
    material: Material,
    config: TrainConfig,
    companions: int,
) -> Facts:
    """Train a network, and read the drawing READINGS times with a copy of it for each side.

    Yields:
        Measured: the probability, 0..1, of the digit that the right side names at first.
        Found: for each side the digit of its first reading, the least and the most probability, and their difference,
        the spread.
    """
    torch.manual_seed(config.seed)  # dropout draws from torch's own generator
    trained = build_seeded_model(config).train()
    for _ in learn(replace(material, train=material.train.first(READER_IMAGES)), trained):
        pass
    drawing = as_input(material.picture[None], trained)  # (1, 28, 28) -> (1, 1, 28, 28)
    digit: int | None = None
    for side, read in ((RIGHT, right), (BROKEN, broken)):
        model, generator = deepcopy(trained), torch.Generator().manual_seed(config.seed)
        readings = []
        for reading in range(1, READINGS + 1):
            others = torch.randint(len(material.test), (companions,), generator=generator).tolist()
            company = material.test.__getitems__(others).images
            readings.append(read(model, torch.cat([drawing, company]))[0])  # (1 + companions, 10) -> (10,)
            digit = int(readings[0].argmax()) if digit is None else digit
            yield Measured(side, reading, READINGS, float(readings[-1][digit]))
        probabilities = torch.stack(readings)[:, digit]  # (READINGS, 10) -> (READINGS,)
        least, most = float(probabilities.min()), float(probabilities.max())
        yield Found(f"{side}_digit", int(readings[0].argmax()))
        yield Found(f"{side}_least", least)
        yield Found(f"{side}_most", most)
        yield Found(f"{side}_spread", most - least)


# --- one network is tested


def compare_memory(right: Callable[..., Any], broken: Callable[..., Any], material: Material) -> Facts:
    """Each side adds up the test loss of an untrained network over TESTED_BATCHES batches of TESTED_AT_ONCE images.

    Yields:
        Measured: megabytes that autograd holds after each batch.
        Found: for each side those after the first batch, after half of them and after the last (first, half, last),
        the sum of the losses (sum), and how many megabytes the whole test set would need at this rate (whole).
    """
    for side, add_up in ((RIGHT, right), (BROKEN, broken)):
        model = build_seeded_model(TrainConfig(model="cnn", seed=material.seed))
        batches = islice(make_loader(material.test, TESTED_AT_ONCE), TESTED_BATCHES)
        held, total = [], 0.0
        with (memory := HeldForBackward(model)):
            for step, loss in enumerate(add_up(model, batches), start=1):
                total = float(loss.detach())
                held.append(memory.held_bytes / 1e6)
                yield Measured(side, step, TESTED_BATCHES, held[-1])
        yield Found(f"{side}_first", held[0])
        yield Found(f"{side}_half", held[len(held) // 2 - 1])
        yield Found(f"{side}_last", held[-1])
        yield Found(f"{side}_sum", total)
        yield Found(f"{side}_whole", held[-1] / (TESTED_AT_ONCE * TESTED_BATCHES) * len(material.test))
        del loss


def compare_scores(right: Callable[..., Any], broken: Callable[..., Any], material: Material) -> Facts:
    """A large network sees FEW_IMAGES images MANY_EPOCHS times; each side tells after every epoch how good it is.

    Yields:
        Measured: accuracy, 0..1. Found: for each side the last accuracy; the number of weights.
    """
    config = TrainConfig(model="mlp", model_options={"hidden_sizes": (512,)}, seed=material.seed)
    few, test = material.train.first(FEW_IMAGES), material.test.first(TEST_IMAGES)
    model, loss_fn = build_seeded_model(config), nn.CrossEntropyLoss()
    loader, optimizer = load_digits_with_their_labels(few, material.seed), choose_learning_rate(model.parameters())
    for epoch in range(1, MANY_EPOCHS + 1):
        for images, labels in loader:
            train_step(model, images, labels, loss_fn, optimizer)
        for side, examine in ((RIGHT, right), (BROKEN, broken)):
            told: Evaluation = examine(model, few, test)
            yield Measured(side, epoch, MANY_EPOCHS, told.accuracy)
            if epoch == MANY_EPOCHS:
                yield Found(f"{side}_accuracy", told.accuracy)
    yield Found("weights", sum(weights.numel() for weights in model.parameters()))
    yield Found("images", len(few))
    yield Found("epochs", MANY_EPOCHS)
