"""What a network answers to one drawing, in numbers and in words that admit doubt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_core.data import normalize
from mnist_core.drawing import Ink, Pixels, Prepared, prepare
from mnist_core.training import evaluation_mode

SURE = 0.8  # from this probability on, one digit is named
CANDIDATE = 0.1  # a doubt names the digits from this probability on, two at least


@dataclass(frozen=True)
class Prediction:
    """The answer to one drawing.

    Attributes:
        probabilities: (10,) float32, summing to 1; all equal when nothing was drawn.
        digit: the most probable one, 0..9, or None when there is no digit to read.
        confidence: its probability, 0..1.
        candidates: the digits that come into question, most probable first.
        verdict: in words: "a 7", "not sure: 1 or 7", "nothing drawn yet".
        prepared: the drawing as the network saw it.
    """

    probabilities: NDArray[np.float32]
    digit: int | None
    confidence: float
    candidates: tuple[int, ...]
    verdict: str
    prepared: Prepared


def classify(model: nn.Module, ink: Ink) -> Prediction:
    """Read one drawing: prepare it, and ask the model in eval mode and without gradients.

    Args:
        ink: (H, W) uint8 of any size, 255 = pen.

    Raises:
        DrawingError: when `ink` is no drawing.
    """
    prepared = prepare(ink)
    if prepared.is_blank or prepared.is_dot:
        verdict = "nothing drawn yet" if prepared.is_blank else "only a dot so far"
        return Prediction(np.full(10, 0.1, np.float32), None, 0.0, (), verdict, prepared)
    probabilities = predict_probabilities(model, prepared.image)
    candidates = likely_digits(probabilities)
    digit = candidates[0]
    return Prediction(probabilities, digit, float(probabilities[digit]), candidates, describe(candidates), prepared)


def predict_probabilities(model: nn.Module, image: Pixels) -> NDArray[np.float32]:
    """The ten probabilities for one prepared image: (28, 28) float32 0..1 -> (10,) float32."""
    images = as_input(image, model)
    with evaluation_mode(model):
        logits = model(images)  # (1, C, H, W) -> (1, 10)
    return np.asarray(logits.float().softmax(dim=1)[0].cpu().numpy(), dtype=np.float32)


def as_input(image: Pixels, model: nn.Module) -> Tensor:
    """A prepared image as a batch of one of the shape that the model takes: (28, 28) -> (1, C, H, W), normalised."""
    channels, height, width = getattr(model, "input_shape", (1, 28, 28))
    images = torch.from_numpy(image)[None, None].expand(1, channels, *image.shape)  # (28, 28) -> (1, C, 28, 28)
    if (height, width) != image.shape:
        images = F.interpolate(images, (height, width), mode="bilinear", align_corners=False)
    first = next(model.parameters())
    return normalize(images).to(first.device)


def likely_digits(probabilities: NDArray[np.float32]) -> tuple[int, ...]:
    """One digit when the network is sure, otherwise two or three, most probable first."""
    order = [int(digit) for digit in np.argsort(-probabilities, kind="stable")]
    if probabilities[order[0]] >= SURE:
        return (order[0],)
    return tuple(order[:2]) + tuple(digit for digit in order[2:3] if probabilities[digit] >= CANDIDATE)


def describe(candidates: tuple[int, ...]) -> str:
    """The digits in words: "a 7", "an 8", "not sure: 1 or 7", "not sure: 1, 7 or 4"."""
    if len(candidates) == 1:
        return f"{'an' if candidates[0] == 8 else 'a'} {candidates[0]}"
    *others, last = map(str, candidates)
    return f"not sure: {', '.join(others)} or {last}"
