"""The training loop: one `train_step` after the other, told as a stream of events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mnist_core.colour import COLOUR_SHAPE, check_grey, coloured
from mnist_core.config import LOSSES, OPTIMIZERS, SCHEDULES, TrainConfig, random_changes
from mnist_core.data import Digits, make_loader
from mnist_core.devices import find_device, find_precision
from mnist_core.errors import ConfigError, DataError, TrainingError
from mnist_core.messages import say
from mnist_core.models import build_model
from mnist_core.nondigits import make_non_digits
from mnist_core.parallel import ALONE, Alone
from mnist_core.styles import make_digits

Batches = Iterable[tuple[Tensor, Tensor]]


def train_step(
    model: nn.Module, images: Tensor, labels: Tensor, loss_fn: nn.Module, optimizer: Optimizer
) -> tuple[Tensor, Tensor]:
    """Show the model one batch and change its weights a little, so that the loss on this batch falls.

    Args:
        images: (N, C, H, W) float32. labels: (N,) int64.

    Returns:
        The loss () and the logits (N, 10), both from before the change.
    """
    optimizer.zero_grad()
    logits = model(images)  # (N, 1, 28, 28) -> (N, 10)
    loss = loss_fn(logits, labels)  # (N, 10), (N,) -> ()
    loss.backward()
    optimizer.step()
    return loss, logits


@dataclass(frozen=True, slots=True)
class BatchDone:
    """One batch has been learnt. Accuracies are 0..1; running values are means since the epoch began."""

    epoch: int  # 1, 2, ...
    batch: int  # 1, 2, ... within the epoch
    batches: int  # in an epoch
    loss: float  # of this batch, before its step
    running_loss: float
    running_accuracy: float
    images: int  # seen in this epoch so far
    learning_rate: float
    seconds: float  # spent on this epoch so far, without the time that the listener took

    @property
    def step(self) -> int:
        """How many steps the run has made."""
        return (self.epoch - 1) * self.batches + self.batch


@dataclass(frozen=True, slots=True)
class EpochDone:
    """One epoch is over. Accuracies are 0..1; the test values are None in a run without a test set."""

    epoch: int
    epochs: int
    step: int
    train_loss: float
    train_accuracy: float
    test_loss: float | None  # by the same loss function as the training loss
    test_accuracy: float | None
    learning_rate: float
    seconds: float  # training only
    test_seconds: float
    images_per_second: float
    stalled: bool  # the test accuracy has not got better for `patience` epochs: you may stop here


@dataclass(frozen=True)
class Evaluation:
    """How well a model reads a set: mean loss, accuracy 0..1, confusion (10, 10) int64 by [label, answer]."""

    loss: float
    accuracy: float
    confusion: Tensor


def train_epoch(
    model: nn.Module,
    loader: Batches,
    loss_fn: nn.Module,
    optimizer: Optimizer,
    device: torch.device | str,
    *,
    epoch: int = 1,
) -> Iterator[BatchDone]:
    """Go once through the loader's batches, a `train_step` each, and yield how it goes after every one.

    Args:
        loader: yields images (N, C, H, W) float32 and labels (N,) int64; `len(loader)` is the number of batches.
        device: where the model already is; each batch is moved there.
    """
    model.train()
    running_loss, correct, total, seconds = 0.0, 0, 0, 0.0
    started = perf_counter()
    for batch, (images, labels) in enumerate(loader, start=1):
        images, labels = images.to(device), labels.to(device)
        loss, logits = train_step(model, images, labels, loss_fn, optimizer)

        batch_loss = loss.item()
        running_loss += batch_loss * len(labels)
        correct += int((logits.argmax(dim=1) == labels).sum())
        total += len(labels)
        seconds += perf_counter() - started
        yield BatchDone(
            epoch=epoch,
            batch=batch,
            batches=len(loader),  # type: ignore[arg-type]
            loss=batch_loss,
            running_loss=running_loss / total,
            running_accuracy=correct / total,
            images=total,
            learning_rate=optimizer.param_groups[0]["lr"],
            seconds=seconds,
        )
        started = perf_counter()


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """The model in eval mode and without gradients; every module gets back the mode that it was found in."""
    in_training = [module for module in model.modules() if module.training]
    for module in in_training:
        module.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for module in in_training:
            module.training = True


def evaluate(
    model: nn.Module, loader: Batches, device: torch.device | str, loss_fn: nn.Module | None = None
) -> Evaluation:
    """How well the model reads the loader's images; the model is left as it was found.

    Args:
        loader: yields images (N, C, H, W) float32 and labels (N,) int64.
        loss_fn: mean over a batch; cross-entropy by default.

    Raises:
        DataError: when there is nothing to evaluate.
    """
    loss_fn = loss_fn or nn.CrossEntropyLoss()
    loss, total = 0.0, 0
    confusion = torch.zeros(10, 10, dtype=torch.int64)
    with evaluation_mode(model):
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            logits = model(images)  # (N, C, H, W) -> (N, 10)
            loss += loss_fn(logits, labels).item() * len(labels)
            total += len(labels)
            pairs = 10 * labels + logits.argmax(dim=1)  # (N,), 0..99: label and answer in one number
            confusion += torch.bincount(pairs, minlength=100).reshape(10, 10).cpu()
    if not total:
        raise DataError(say("There is nothing to evaluate: the set is empty. Give evaluate at least one image."))
    return Evaluation(loss / total, confusion.diagonal().sum().item() / total, confusion)


class ForwardInBfloat16(nn.Module):
    """A model whose forward computes in bfloat16 where that is safe; weights and gradients stay float32."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16):
            logits: Tensor = self.model(images)
        return logits.float()


def build_seeded_model(config: TrainConfig) -> nn.Module:
    """The untrained model of a configuration: equal seeds give equal weights; torch's own generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return build_model(config.model, **config.model_options)


def train(
    model: nn.Module, digits: Digits, config: TrainConfig, *, test: Digits | None = None, team: Alone = ALONE
) -> Iterator[BatchDone | EpochDone]:
    """Train `model` on `digits` as `config` says and tell what happens; to stop, stop asking.

    Torch's global generator is seeded (dropout draws from it), so a server trains in a process of its own.

    Args:
        model: is trained in place, on the configuration's device.
        digits: (N, C, H, W) as the model takes them; grey 1 x 28 x 28 for a configuration with `colour`, as `test` too.
        test: evaluated after each epoch; None leaves the test values of EpochDone empty.
        team: the processes that train this network together, each with this function; see parallel.py.

    Raises:
        TrainingError: the device is not there or out of memory; the loss is no longer finite.
        ConfigError, DataError: the configuration, the model and the data do not go together.
    """
    if config.stop_when_stalled and test is None:
        bound = say("False in a run without a test set: there is nothing to compare")
        raise ConfigError("stop_when_stalled", True, bound)
    digits = with_drawings(digits.first(config.train_images), config)
    check_fit(model, digits, say("training"), config.colour)
    if test is not None:
        check_fit(model, test, say("test"), config.colour)
        test = coloured(test) if config.colour else test
    device = find_device(config.device)
    try:
        yield from _train(model.to(device), digits, config, test, device, team)
    except RuntimeError as error:
        # torch.OutOfMemoryError on CUDA; on the CPU and on MPS only the words tell.
        if not any(words in str(error).lower() for words in ("out of memory", "can't allocate memory")):
            raise
        raise TrainingError(
            say(
                "{device} has no memory left for batches of {batch_size} images ({error}). "
                "Choose a smaller batch size, a smaller model, or the device cpu.",
                device=device.type,
                batch_size=config.batch_size,
                error=str(error),
            )
        ) from error


def with_drawings(digits: Digits, config: TrainConfig) -> Digits:
    """Digits, and after them the drawings that the configuration asks for: made digits, and what is no digit."""
    if config.made_digits:
        digits = digits.joined(make_digits(config.made_digits, config.seed))
    if config.non_digits:
        digits = digits.joined(make_non_digits(config.non_digits, config.seed))
    return digits


def _train(
    model: nn.Module, digits: Digits, config: TrainConfig, test: Digits | None, device: torch.device, team: Alone
) -> Iterator[BatchDone | EpochDone]:
    own_seed = team.seed(config.seed)
    torch.manual_seed(own_seed)
    digits = digits.transformed(random_changes(replace(config, seed=own_seed)) or digits.transform)
    loader = team.share(make_loader(digits, config.batch_size, shuffle=True, seed=config.seed))
    # Seeded, for an unseeded loader would draw from the generator that dropout draws from.
    test_loader = None if test is None else make_loader(team.part(test), 1000, seed=config.seed)
    loss_fn = LOSSES[config.loss](config)
    optimizer = OPTIMIZERS[config.optimizer](model.parameters(), config)
    schedule = SCHEDULES[config.schedule](optimizer, config, len(loader))
    bfloat16 = find_precision(config.precision, device) == "bfloat16"
    network = team.connect(ForwardInBfloat16(model) if bfloat16 else model)

    best_accuracy, best_epoch = -1.0, 0
    for epoch in range(1, config.epochs + 1):
        for done in train_epoch(network, loader, loss_fn, optimizer, device, epoch=epoch):
            batch_done = team.merge(done)
            check_finite(batch_done.loss, batch_done)
            schedule.step()
            yield batch_done

        check_finite(sum(weights.detach().sum().item() for weights in model.parameters()), batch_done)
        team.align(model)
        started = perf_counter()
        tested = None if test_loader is None else team.merge_tests(evaluate(model, test_loader, device, loss_fn))
        if tested and tested.accuracy > best_accuracy:
            best_accuracy, best_epoch = tested.accuracy, epoch
        epoch_done = EpochDone(
            epoch=epoch,
            epochs=config.epochs,
            step=batch_done.step,
            train_loss=batch_done.running_loss,
            train_accuracy=batch_done.running_accuracy,
            test_loss=tested.loss if tested else None,
            test_accuracy=tested.accuracy if tested else None,
            learning_rate=batch_done.learning_rate,
            seconds=batch_done.seconds,
            test_seconds=perf_counter() - started,
            images_per_second=batch_done.images / batch_done.seconds,
            stalled=tested is not None and epoch - best_epoch >= config.patience,
        )
        yield epoch_done
        if config.stop_when_stalled and epoch_done.stalled:
            return


def check_fit(model: nn.Module, digits: Digits, split: str, colour: bool = False) -> None:
    """Raise when there is no image in the set, or when the model does not take them as they are, or once in colour."""
    if not len(digits):
        raise DataError(say("The {split} set is empty. Give it at least one image.", split=split))
    if colour:
        check_grey(digits)
    takes, given = getattr(model, "input_shape", None), COLOUR_SHAPE if colour else tuple(digits.images.shape[1:])
    if takes is not None and takes != given:
        raise DataError(
            say(
                "The model takes images of {takes}, but these are {given}. "
                "Build it with the input_channels and input_size of the data.",
                takes=" x ".join(map(str, takes)),
                given=" x ".join(map(str, given)),
            )
        )


def check_finite(number: float, batch_done: BatchDone) -> None:
    """Raise when the loss, or the sum of the weights, is infinite or not a number: then nothing more can be learnt."""
    if not math.isfinite(number):
        raise TrainingError(
            say(
                "The loss or a weight is no longer a finite number (step {step:,}, epoch {epoch}). "
                "The learning rate, {learning_rate:g}, may be too high: try a tenth of it.",
                step=batch_done.step,
                epoch=batch_done.epoch,
                learning_rate=batch_done.learning_rate,
            )
        )
