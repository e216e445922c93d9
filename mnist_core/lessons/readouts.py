"""Which digits each stage of a network favours: what it makes of a drawing, beside what it makes of each digit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_core.data import Digits
from mnist_core.lessons.tracing import Maps, follow
from mnist_core.prediction import as_input

IMAGES_AT_ONCE = 50  # bounds the memory that the features of many images take


@dataclass(frozen=True)
class Readout:
    """What can be read from one stage alone, by the nearest class mean: the digit whose average is nearest.

    Attributes:
        means: (10, F) float32, what the stage makes of each digit on average.
        accuracy: the share 0..1 of other images that are read rightly so.
    """

    means: Tensor
    accuracy: float


def fit_readouts(model: nn.Module, train: Digits, test: Digits) -> list[Readout]:
    """A readout for each stage of the network, in the order of `trace`.

    Args:
        train: images of all ten digits, whose averages are taken. test: other images, to measure the accuracy.
    """
    sums: list[Tensor] = []
    for images, labels in inputs_of(train, model):
        one_hot = F.one_hot(labels, 10).float()  # (N,) -> (N, 10)
        add_up(sums, [one_hot.T @ features for features in features_of(model, images)])  # -> (10, F) a stage
    counts = train.labels.bincount(minlength=10)[:, None]  # (10, 1)
    means = [total / counts for total in sums]
    right = [0] * len(means)
    for images, labels in inputs_of(test, model):
        for stage, features in enumerate(features_of(model, images)):
            nearest = torch.cdist(features, means[stage]).argmin(dim=1)  # (N, F), (10, F) -> (N,)
            right[stage] += int((nearest == labels).sum())
    return [Readout(mean, count / len(test)) for mean, count in zip(means, right, strict=True)]


def inputs_of(digits: Digits, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """The images as the model takes them, with their labels, a few at a time: (N, C, H, W) float32 and (N,) int64."""
    for start in range(0, len(digits), IMAGES_AT_ONCE):
        images = digits.images[start : start + IMAGES_AT_ONCE].float().div(255)  # (N, 1, 28, 28) or (N, 3, 32, 32)
        if images.shape[1] == 1:
            images = images[:, 0]  # -> (N, 28, 28)
        yield as_input(images.numpy(), model), digits.labels[start : start + IMAGES_AT_ONCE]


def features_of(model: nn.Module, images: Tensor) -> list[Tensor]:
    """What every stage makes of the images, each as (N, F) float32."""
    features: list[Tensor] = []
    follow(model, images, lambda stage: features.append(stage.after.flatten(1).float().cpu()))
    return features


def add_up(sums: list[Tensor], more: Sequence[Tensor]) -> None:
    """Add to the sums, or begin them."""
    sums[:] = [a + b for a, b in zip(sums, more, strict=True)] if sums else more


def nearness(readout: Readout, maps: Maps) -> NDArray[np.float32]:
    """How near what a stage makes of an image is to each digit's average: (10,), 0 for the farthest, 1 for no distance.

    Euclidean distances, each as a share of the longest one.
    """
    distances = torch.cdist(torch.from_numpy(maps.reshape(1, -1)), readout.means)[0].numpy()  # (1, F), (10, F) -> (10,)
    farthest = float(distances.max())
    return np.asarray(1 - distances / farthest if farthest else np.zeros(10), np.float32)


def balanced(digits: Digits, of_each: int) -> Digits:
    """The first so many images of each digit, with memory of their own."""
    chosen = torch.cat([(digits.labels == digit).nonzero()[:of_each, 0] for digit in range(10)])
    return Digits(digits.images[chosen].clone(), digits.labels[chosen].clone())
