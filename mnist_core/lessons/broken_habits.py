"""What goes wrong around the step, in data, settings and tests: each right function, and after it its broken twin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader, TensorDataset

from mnist_core.data import Digits, make_loader, normalize
from mnist_core.training import Batches, Evaluation, evaluate

Loader = DataLoader[tuple[Tensor, Tensor]]


def load_digits_with_their_labels(digits: Digits, seed: int) -> Loader:
    """Batches of 50, image and label together."""
    return make_loader(digits, 50, shuffle=True, seed=seed)


def shuffled_labels_alone(digits: Digits, seed: int) -> Loader:
    """The labels in another order than their images."""
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(seed))
    digits = Digits(digits.images, digits.labels[order])
    return make_loader(digits, 50, shuffle=True, seed=seed)


def load_normalized(digits: Digits, seed: int) -> Loader:
    """Pixels with mean 0 and standard deviation 1."""
    pixels = TensorDataset(normalize(digits.images), digits.labels)
    return make_loader(pixels, 50, shuffle=True, seed=seed)


def forgot_to_normalize(digits: Digits, seed: int) -> Loader:
    """Pixels as they are stored, 0 to 255."""
    pixels = TensorDataset(digits.images.float(), digits.labels)
    return make_loader(pixels, 50, shuffle=True, seed=seed)


def load_sorted_digits(digits: Digits, seed: int) -> Loader:
    """Digits that lie sorted by label, handed out in a new order each epoch."""
    order = digits.labels.argsort(stable=True)
    digits = Digits(digits.images[order], digits.labels[order])
    return make_loader(digits, 50, shuffle=True, seed=seed)


def forgot_to_shuffle(digits: Digits, seed: int) -> Loader:
    """Digits that lie sorted by label, handed out as they lie: first all 0s, at the end all 9s."""
    order = digits.labels.argsort(stable=True)
    digits = Digits(digits.images[order], digits.labels[order])
    return make_loader(digits, 50, shuffle=False, seed=seed)


def choose_learning_rate(weights: Iterable[nn.Parameter]) -> Optimizer:
    """Steps of a sensible length."""
    return SGD(weights, lr=0.1)


def chose_far_too_high_a_rate(weights: Iterable[nn.Parameter]) -> Optimizer:
    """Steps a hundred times as long."""
    return SGD(weights, lr=10)


def read_in_eval_mode(model: nn.Module, images: Tensor) -> Tensor:
    """Probabilities from a network that has just been trained: (N, 1, 28, 28) -> (N, 10)."""
    model.eval()
    with torch.no_grad():
        logits: Tensor = model(images)
    return logits.softmax(dim=1)


def forgot_eval(model: nn.Module, images: Tensor) -> Tensor:
    """The same from a network that is still in training mode."""
    with torch.no_grad():
        logits: Tensor = model(images)
    return logits.softmax(dim=1)


def sum_test_loss(model: nn.Module, batches: Batches) -> Iterator[Tensor]:
    """The test loss, added up batch by batch; yields the sum so far."""
    loss = torch.zeros(())
    with torch.no_grad():
        for images, labels in batches:
            loss = loss + nn.functional.cross_entropy(model(images), labels, reduction="sum")
            yield loss


def forgot_no_grad(model: nn.Module, batches: Batches) -> Iterator[Tensor]:
    """The same, while autograd takes notes for a backward pass that never comes."""
    loss = torch.zeros(())
    for images, labels in batches:
        loss = loss + nn.functional.cross_entropy(model(images), labels, reduction="sum")
        yield loss


def evaluate_on_unseen_images(model: nn.Module, train: Digits, test: Digits) -> Evaluation:
    """How well the model reads images that it has not learnt from."""
    return evaluate(model, make_loader(test, 500), "cpu")


def evaluated_on_training_images(model: nn.Module, train: Digits, test: Digits) -> Evaluation:
    """How well it reads those that it has learnt from."""
    return evaluate(model, make_loader(train, 500), "cpu")
