"""Mistakes that PyTorch or Python answers with an error: each mended function, and before it the one that raises.

All of them are really run to show what they raise: they take milliseconds and leave nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mnist_core.messages import Message, say


@dataclass(frozen=True)
class LoudMistake:
    """A mistake that raises an error.

    Attributes:
        group, name: among which it is, and what. mistake: what is done wrong, in a sentence.
        right, broken: the two functions, whole; both take nothing.
        explanation: what the error says, and how it is mended.
    """

    group: Message
    name: Message
    mistake: Message
    right: Callable[[], Any]
    broken: Callable[[], Any]
    explanation: Message


def other_device() -> str:
    """A device that is not the CPU: a GPU where there is one, or else torch's meta device, which only knows shapes."""
    return next((gpu for gpu, there in (("cuda", torch.cuda), ("mps", torch.mps)) if there.is_available()), "meta")


def left_the_model_on_the_cpu() -> Tensor:
    """Images are moved to another device, the model is not."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    images = torch.zeros(64, 1, 28, 28, device=other_device())
    logits: Tensor = model(images)
    return logits


def move_the_model_too() -> Tensor:
    """Model and images are on one device."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).to(other_device())
    images = torch.zeros(64, 1, 28, 28, device=other_device())
    logits: Tensor = model(images)
    return logits


def gave_float64() -> Tensor:
    """NumPy computes in float64, and torch keeps that."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    images = torch.zeros(64, 1, 28, 28, dtype=torch.float64)
    logits: Tensor = model(images)
    return logits


def give_float32() -> Tensor:
    """The images have the dtype of the weights."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    images = torch.zeros(64, 1, 28, 28, dtype=torch.float64)
    logits: Tensor = model(images.float())
    return logits


def forgot_super_init() -> nn.Module:
    """A layer is set before nn.Module has made the place where it keeps layers."""

    class Net(nn.Module):
        def __init__(self) -> None:
            self.output = nn.Linear(784, 10)

    return Net()


def call_super_init() -> nn.Module:
    """nn.Module makes itself ready first."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output = nn.Linear(784, 10)

    return Net()


def forgot_to_flatten() -> Tensor:
    """A linear layer gets pictures with rows and columns."""
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    images = torch.zeros(64, 1, 28, 28)
    logits: Tensor = model(images)
    return logits


def flatten_first() -> Tensor:
    """Each picture becomes one row of 784 numbers."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    images = torch.zeros(64, 1, 28, 28)
    logits: Tensor = model(images)
    return logits


def counted_the_digits_from_one() -> Tensor:
    """Labels 1 ... 10 for logits 0 ... 9."""
    logits = torch.zeros(10, 10)
    labels = torch.arange(1, 11)
    loss: Tensor = nn.CrossEntropyLoss()(logits, labels)
    return loss


def count_the_digits_from_zero() -> Tensor:
    """Labels are places in a row of logits."""
    logits = torch.zeros(10, 10)
    labels = torch.arange(0, 10)
    loss: Tensor = nn.CrossEntropyLoss()(logits, labels)
    return loss


def gave_the_loss_its_arguments_too_early() -> nn.Module | Tensor:
    """The batch is given to the class, which only makes a loss function."""
    logits, labels = torch.zeros(64, 10), torch.zeros(64, dtype=torch.int64)
    loss = nn.CrossEntropyLoss(logits, labels)
    return loss


def make_the_loss_then_call_it() -> nn.Module | Tensor:
    """First a loss function is made, then it is given the batch."""
    logits, labels = torch.zeros(64, 10), torch.zeros(64, dtype=torch.int64)
    loss: Tensor = nn.CrossEntropyLoss()(logits, labels)
    return loss


def stepped_between_forward_and_backward() -> None:
    """Weights change after the forward pass that the backward pass wants to retrace; there are two layers."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    loss_fn, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1)
    images, labels = torch.zeros(64, 1, 28, 28), torch.zeros(64, dtype=torch.int64)
    for _ in range(2):
        loss = loss_fn(model(images), labels)
        optimizer.step()
        optimizer.zero_grad()
        loss.backward()


def step_after_backward() -> None:
    """The backward pass finds the weights as the forward pass has used them."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    loss_fn, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1)
    images, labels = torch.zeros(64, 1, 28, 28), torch.zeros(64, dtype=torch.int64)
    for _ in range(2):
        loss = loss_fn(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def meet(mistake: Callable[[], Any]) -> Exception | None:
    """The error that a mistake raises, or None."""
    try:
        mistake()
    except Exception as error:
        return error.with_traceback(None)  # its frames would keep tensors alive
    return None


ERRORS = ("RuntimeError", "AttributeError", "IndexError", "TypeError")  # what the visitor chooses from
LOUD = say("Loud mistakes")

LOUD_MISTAKES: dict[str, LoudMistake] = {
    "left_the_model_on_the_cpu": LoudMistake(
        LOUD,
        say("Two devices"),
        say("The images are moved to another device, the model stays on the CPU."),
        move_the_model_too,
        left_the_model_on_the_cpu,
        say(
            "Tensors that are to be computed with must lie on one device, and a model stays where it was made until it "
            "is moved. Move it with `model.to(device)`, before the optimizer is made. (Where there is no GPU, the "
            "images here are on torch's `meta` device, which knows shapes but holds no numbers; with a GPU the error "
            "names `cuda:0`.)"
        ),
    ),
    "gave_float64": LoudMistake(
        LOUD,
        say("Two dtypes"),
        say("The images are float64, as NumPy makes them; the weights are float32."),
        give_float32,
        gave_float64,
        say(
            "A matrix product wants one dtype on both sides. `Double` is float64, `Float` is float32. Bring the images "
            "to the dtype of the weights with `images.float()`, not the weights to float64: that takes twice the "
            "memory."
        ),
    ),
    "forgot_super_init": LoudMistake(
        LOUD,
        say("super().__init__() forgotten"),
        say("A network sets its first layer before `nn.Module` is ready."),
        call_super_init,
        forgot_super_init,
        say(
            "`nn.Module` notes each layer that is set on it, so that `parameters()` finds it. The place for those "
            "notes is made by `super().__init__()`, which must come first in `__init__`."
        ),
    ),
    "forgot_to_flatten": LoudMistake(
        LOUD,
        say("Wrong shape"),
        say("A linear layer for 784 numbers gets pictures of 28 x 28."),
        flatten_first,
        forgot_to_flatten,
        say(
            "A linear layer multiplies along the last dimension, which here is a row of 28 pixels: 64 x 28 = 1792 rows "
            "of 28 numbers meet a matrix for 784. `nn.Flatten()` makes 784 numbers of each picture. Read such an error "
            "from the inside: the two numbers in the middle had to be equal."
        ),
    ),
    "counted_the_digits_from_one": LoudMistake(
        LOUD,
        say("Labels from 1 to 10"),
        say("Ten classes are numbered from 1."),
        count_the_digits_from_zero,
        counted_the_digits_from_one,
        say(
            "A label is a place in the row of logits, counted from 0; ten logits have no place 10. On a GPU the same "
            "mistake ends in a `device-side assert`, which says much less: then try one batch on the CPU."
        ),
    ),
    "gave_the_loss_its_arguments_too_early": LoudMistake(
        LOUD,
        say("The loss function not made"),
        say("Logits and labels are given to the class `CrossEntropyLoss`."),
        make_the_loss_then_call_it,
        gave_the_loss_its_arguments_too_early,
        say(
            "`nn.CrossEntropyLoss` is a class: what stands in its brackets are settings, and torch asks whether one of "
            "them is true, which 64 numbers cannot answer. Make the loss function first, `loss_fn = "
            "nn.CrossEntropyLoss()`, and then call it with the batch."
        ),
    ),
    "stepped_between_forward_and_backward": LoudMistake(
        LOUD,
        say("step between forward and backward"),
        say("`step` stands between the forward and the backward pass, in a network of two layers."),
        step_after_backward,
        stepped_between_forward_and_backward,
        say(
            "To find the gradients of the first layer, `backward` needs the second layer's weights as they were in the "
            "forward pass. `step` has changed them in place: each tensor counts its changes, and `version 2` instead "
            "of `version 1` gives it away. Step after `backward`."
        ),
    ),
}
