"""Honest confidence: what a network claims is brought in line with how often it is right, on data not trained on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_core.data import Digits, make_loader
from mnist_core.training import evaluation_mode

TEMPERATURES = torch.linspace(0.3, 3.0, 271)
TURNED_AWAY = 0.01  # the share of real digits that may be refused


def calibration_error(confidences: NDArray[Any], right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error (Naeini, Cooper and Hauskrecht, 2015): how far confidence and accuracy lie apart.

    Args:
        confidences: (N,) 0..1, of the answer that was given. right: (N,) whether it was right.

    Returns:
        0..1: the difference of mean confidence and accuracy in each of `bins` equal intervals, averaged by their size.
    """
    interval = np.minimum((np.asarray(confidences) * bins).astype(int), bins - 1)
    gaps = [abs(confidences[interval == number].sum() - right[interval == number].sum()) for number in range(bins)]
    return float(sum(gaps)) / len(right)


def predict_all(model: nn.Module, digits: Digits) -> Tensor:
    """What the model says of each image, in eval mode and without gradients: (N, 10) float32."""
    with evaluation_mode(model):
        return torch.cat([model(images).float() for images, _ in make_loader(digits, 500, seed=0)])


def find_temperature(logits: Tensor, labels: Tensor) -> float:
    """The number to divide logits (N, 10) by, so that the labels (N,) are most likely (Guo and others, 2017)."""
    losses = torch.stack([F.cross_entropy(logits / temperature, labels) for temperature in TEMPERATURES])
    return float(TEMPERATURES[losses.argmin()])


def calibrate(model: nn.Module, sets: Iterable[Digits]) -> tuple[float, float]:
    """Make the model's confidence honest, and let it refuse as much as it may; its last layer, `output`, is changed.

    The temperature is the one that suits all sets together. Of a model that `refuses`, a constant is then added to all
    logits, which changes no probability: so large that logsumexp(logits) < 0 for TURNED_AWAY of the digits of that
    set where it refuses most.

    Args:
        sets: digits that the model was not trained on, and on which nothing is reported.

    Returns:
        The temperature and the constant.
    """
    sets = list(sets)
    answers = [predict_all(model, digits) for digits in sets]
    temperature = find_temperature(torch.cat(answers), torch.cat([digits.labels for digits in sets]))
    evidence = [(logits / temperature).logsumexp(dim=1) for logits in answers]
    constant = (
        -min(float(found.quantile(TURNED_AWAY)) for found in evidence) if getattr(model, "refuses", False) else 0.0
    )
    output: nn.Linear = model.output  # type: ignore[assignment]
    with torch.no_grad():
        output.weight.div_(temperature)
        output.bias.div_(temperature).add_(constant)
    return temperature, constant
