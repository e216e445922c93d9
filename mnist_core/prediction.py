"""What a network answers to one drawing, in numbers and in words that admit doubt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_core.data import normalize
from mnist_core.drawing import FAINTEST, Ink, Picture, Pixels, Prepared, ink_of, prepare
from mnist_core.messages import Message, say
from mnist_core.models import takes_colours
from mnist_core.training import evaluation_mode

SURE = 0.8  # from this probability on, one digit is named
CANDIDATE = 0.1  # a doubt names the digits from this probability on, two at least


@dataclass(frozen=True)
class Prediction:
    """The answer to one drawing.

    Attributes:
        probabilities: (10,) float32, summing to 1; all equal when nothing was drawn.
        digit: the most probable one, 0..9, or None when there is no digit to read.
        confidence: its probability, 0..1; 0 where digit is None.
        candidates: the digits that come into question, most probable first.
        verdict: in words: "a 7", "not sure: 1 or 7", "nothing drawn yet", "I don't see a digit", "two digits?".
        prepared: the drawing as the network saw it.
    """

    probabilities: NDArray[np.float32]
    digit: int | None
    confidence: float
    candidates: tuple[int, ...]
    verdict: Message
    prepared: Prepared


def classify(model: nn.Module, ink: Picture, may_refuse: bool = True) -> Prediction:
    """Read one drawing: prepare it, and ask the model in eval mode and without gradients.

    Args:
        ink: (H, W) uint8 of any size, 255 = pen; or in colour (H, W, 3) on black paper: its colours are seen by a
            network for colours, and by no other.
        may_refuse: whether a network that can may answer that it sees no digit.

    Raises:
        DrawingError: when `ink` is no drawing.
    """
    prepared = prepare(ink, in_colour=takes_colours(model))
    if prepared.is_blank or prepared.is_dot:
        verdict = say("nothing drawn yet") if prepared.is_blank else say("only a dot so far")
        return Prediction(np.full(10, 0.1, np.float32), None, 0.0, (), verdict, prepared)
    logits = predict_logits(model, prepared.seen[None])[0]  # (1, 28, 28) -> (1, 10) -> (10,)
    probabilities = logits.softmax(dim=0).numpy()
    # The logsumexp of the logits, by numpy: for ten numbers torch takes ten times as long.
    if may_refuse and getattr(model, "refuses", False) and np.logaddexp.reduce(logits.numpy()) < 0:
        return Prediction(probabilities, None, 0.0, (), refusal(prepared), prepared)
    candidates = likely_digits(probabilities)
    digit = candidates[0]
    return Prediction(probabilities, digit, float(probabilities[digit]), candidates, describe(candidates), prepared)


def predict_probabilities(model: nn.Module, image: Pixels) -> NDArray[np.float32]:
    """The ten probabilities for one prepared image: (28, 28) or (3, 32, 32) float32 0..1 -> (10,) float32."""
    return np.asarray(predict_logits(model, image[None])[0].softmax(dim=0).numpy(), dtype=np.float32)


def predict_logits(model: nn.Module, images: NDArray[np.float32]) -> Tensor:
    """What the model says of prepared images, in eval mode and without gradients; see `as_input`: -> (N, 10)."""
    with evaluation_mode(model):
        logits: Tensor = model(as_input(images, model))  # (N, C, H, W) -> (N, 10)
    return logits.float().cpu()


def as_input(images: NDArray[np.float32], model: nn.Module) -> Tensor:
    """Prepared images as a batch of the shape that the model takes, normalised.

    Args:
        images: (N, 28, 28) float32 0..1, white on black for a network for colours; or (N, 3, 32, 32), for it alone.

    Returns:
        (N, C, H, W) float32; where a side is longer than the image's, there is paper around.
    """
    channels, height, _ = getattr(model, "input_shape", (1, 28, 28))
    batch = torch.from_numpy(images)
    if batch.ndim == 3:
        batch = batch[:, None].expand(-1, channels, -1, -1)  # (N, 28, 28) -> (N, C, 28, 28)
    batch = F.pad(batch, 4 * [(height - batch.shape[-1]) // 2])  # -> (N, C, H, W); less than 0 cuts paper off
    first = next(model.parameters())
    return normalize(batch, in_colour=channels == 3).to(first.device)


def refusal(prepared: Prepared) -> Message:
    """What to say of a drawing that is no digit: "two digits?" when strokes stand side by side."""
    return say("two digits?") if stand_side_by_side(ink_of(prepared.stages[1].image)) else say("I don't see a digit")


def likely_digits(probabilities: NDArray[np.float32]) -> tuple[int, ...]:
    """One digit when the network is sure, otherwise two or three, most probable first."""
    order = [int(digit) for digit in np.argsort(-probabilities, kind="stable")]
    if probabilities[order[0]] >= SURE:
        return (order[0],)
    return tuple(order[:2]) + tuple(digit for digit in order[2:3] if probabilities[digit] >= CANDIDATE)


def stand_side_by_side(cropped: Ink) -> bool:
    """Whether two strokes, each of half the height or more, have nothing but paper between them: (h, w)."""
    drawn = cropped >= FAINTEST
    columns = np.flatnonzero(~drawn.any(axis=0))
    sides = [side for side in np.split(drawn, columns, axis=1) if side.any()]
    return sum(bool(np.ptp(np.flatnonzero(side.any(axis=1))) >= len(drawn) / 2) for side in sides) >= 2


def describe(candidates: tuple[int, ...]) -> Message:
    """The digits in words: "a 7", "an 8", "not sure: 1 or 7", "not sure: 1, 7 or 4"."""
    if len(candidates) == 1:
        digit = candidates[0]
        return say("an {digit}", digit=digit) if digit == 8 else say("a {digit}", digit=digit)
    *others, last = map(str, candidates)
    return say("not sure: {others} or {last}", others=", ".join(others), last=last)
