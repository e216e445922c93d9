"""Which pixels spoke for a digit and which against it.

The few lines that it takes are here, tested against hand calculations. The well-kept library for it, Captum 0.9, brings
matplotlib and five more packages (80 MB) and takes 1.5 s to import, more than torch itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_core.data import normalize
from mnist_core.drawing import Pixels
from mnist_core.lessons.tracing import as_numbers, twin
from mnist_core.messages import Message, say
from mnist_core.models import takes_colours
from mnist_core.prediction import as_input

Score = Callable[[Tensor], Tensor]  # images (N, C, H, W) -> (N,), higher for what speaks more for a digit
Measure = Callable[
    [Score, Tensor, Tensor], Tensor
]  # score, image and paper (1, C, H, W) -> (1, C, H, W) or (1, 1, H, W)
Box = tuple[int, int, int, int]  # left, top, right, bottom, exclusive, in pixels

PATH_STEPS = 100  # of integrated gradients; for the shipped network the sum is then about a hundredth off
PATCH, STRIDE = 4, 2  # pixels: the side of what is covered at a time, and how far one place is from the next
BOX_SHARE = 4  # the region that is wiped out as a whole is a square of a quarter of the picture's side


def gradient_times_input(score: Score, image: Tensor, paper: Tensor) -> Tensor:
    """How fast the score changes with each pixel, times the ink that is there.

    Exact for a linear model; otherwise true only near this image (Simonyan, Vedaldi and Zisserman, 2013; Shrikumar,
    Greenside and Kundaje, 2017).
    """
    return gradient(score, image) * (image - paper)


def integrated_gradients(score: Score, image: Tensor, paper: Tensor) -> Tensor:
    """The mean gradient on the way from blank paper to the image, times the ink that is there.

    The contributions add up to score(image) - score(paper): Sundararajan, Taly and Yan, "Axiomatic attribution for deep
    networks", 2017; the integral by the midpoint rule.
    """
    shares = (torch.arange(PATH_STEPS, device=image.device) + 0.5) / PATH_STEPS
    path = paper + shares[:, None, None, None] * (image - paper)  # (1, C, H, W) -> (100, C, H, W)
    return gradient(score, path).mean(dim=0, keepdim=True) * (image - paper)  # -> (1, C, H, W)


def occlusion(score: Score, image: Tensor, paper: Tensor) -> Tensor:
    """By how much the score falls when a patch of 4 x 4 pixels is blank: the mean over the patches that hold a pixel.

    After Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014.
    """
    return -cover(score, image, paper)


def added_ink(score: Score, image: Tensor, ink: Tensor) -> Tensor:
    """By how much the score grows when a patch of 4 x 4 pixels is filled with ink: occlusion the other way round."""
    return cover(score, image, ink)


def gradient(score: Score, images: Tensor) -> Tensor:
    """The gradient of the score with respect to each pixel, and to nothing else: (N, C, H, W) -> (N, C, H, W)."""
    images = images.detach().clone().requires_grad_()
    with torch.enable_grad():
        total = score(images).sum()  # of images that do not touch each other: each gets its own gradient
    return torch.autograd.grad(total, images)[0]


def cover(score: Score, image: Tensor, filling: Tensor) -> Tensor:
    """How the score changes when a patch takes its pixels from `filling`: the mean over the patches that hold a pixel.

    Args:
        image, filling: (1, C, H, W).

    Returns:
        (1, 1, H, W).
    """
    height, width = image.shape[-2:]
    places = [(y, x) for y in places_along(height) for x in places_along(width)]
    patches = torch.zeros(len(places), 1, height, width, device=image.device)
    for number, (y, x) in enumerate(places):
        patches[number, :, y : y + PATCH, x : x + PATCH] = 1
    covered = torch.where(patches.bool(), filling, image)  # (P, C, H, W)
    changed = (covered != image).flatten(1).any(dim=1)  # where there was nothing to cover, nothing needs to be asked
    changes = torch.zeros(len(places), device=image.device)
    if changed.any():
        with torch.no_grad():
            changes[changed] = score(covered[changed]) - score(image)
    total = (changes[:, None, None, None] * patches).sum(dim=0, keepdim=True)  # -> (1, 1, H, W)
    return total / patches.sum(dim=0, keepdim=True)


def places_along(side: int) -> list[int]:
    """Where the patches begin, so that every pixel of a side is covered."""
    return sorted({*range(0, side - PATCH + 1, STRIDE), side - PATCH})


@dataclass(frozen=True)
class Method:
    """A way to tell the pixels' part in an answer.

    Attributes:
        name, about: what a visitor reads.
        has_parts: whether its values are parts of the difference to blank paper, and not each a difference by itself.
        adds_ink: whether it asks what more ink would do, instead of the ink that is there.
    """

    name: Message
    about: Message
    measure: Measure
    has_parts: bool = False
    adds_ink: bool = False


METHODS: dict[str, Method] = {
    "integrated_gradients": Method(
        say("Integrated gradients"),
        say(
            "The drawing fades in from blank paper in {steps} steps; at each the gradient says how much every pixel "
            "moves the logit. Together the parts come close to the whole difference to blank paper.",
            steps=PATH_STEPS,
        ),
        integrated_gradients,
        has_parts=True,
    ),
    "gradient_times_input": Method(
        say("Gradient × input"),
        say("One backward pass: how much a little more ink would move the logit here, times the ink that is there."),
        gradient_times_input,
        has_parts=True,
    ),
    "occlusion": Method(
        say("Occlusion"),
        say(
            "Patches of {side} × {side} pixels are wiped out one after the other, and the network is asked each time: "
            "how far does the logit fall?",
            side=PATCH,
        ),
        occlusion,
    ),
    "added_ink": Method(
        say("More ink"),
        say(
            "Patches of {side} × {side} pixels are filled with ink one after the other, and the network is asked each "
            "time: how far does the logit grow?",
            side=PATCH,
        ),
        added_ink,
        adds_ink=True,
    ),
}


@dataclass(frozen=True)
class Region:
    """A region of the picture, and what was measured with it blank (or, for more ink, filled).

    Attributes:
        box: left, top, right, bottom, exclusive, in pixels of what the network takes.
        score: what became of the logit, or difference of two. probabilities: (10,) float32.
    """

    box: Box
    score: float
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class Attribution:
    """Each pixel's part in what a network says of one image.

    Attributes:
        digit, rather_than: what it speaks for, and rather than what, if anything.
        values: (H, W) float32, in logits; above 0 for what speaks for the digit. H, W: what the network takes.
        picture: (H, W) float32, the ink of the image as the network takes it, 0 = paper, 1 = ink.
        score, paper_score: the logit, or difference of two, for this image and for blank paper.
        probabilities: (10,) float32.
        strongest_for, strongest_against: the squares where most speaks for it and against it, if any does.
    """

    digit: int
    rather_than: int | None
    values: NDArray[np.float32]
    picture: NDArray[np.float32]
    score: float
    paper_score: float
    probabilities: NDArray[np.float32]
    strongest_for: Region | None
    strongest_against: Region | None


def attribute(model: nn.Module, image: Pixels, digit: int | None, rather_than: int | None, method: str) -> Attribution:
    """How much each pixel of an image speaks for a digit, or for it rather than for another one.

    The model is left alone: a twin of it is asked, and no gradient is kept.

    Args:
        image: what the network sees, (28, 28) or (3, 32, 32) float32, 0 = paper, 1 = ink. method: one of METHODS.
        digit: 0..9, or None for the most probable one. rather_than: another one, or None; the same counts as None.
    """
    ours, way = twin(model), METHODS[method]
    blank = np.zeros_like(image)
    inputs, paper = as_input(image[None], ours), as_input(blank[None], ours)  # -> (1, C, H, W)
    filling = as_input(np.ones_like(image)[None], ours) if way.adds_ink else paper
    probabilities = probabilities_of(ours, inputs)
    digit = int(probabilities.argmax()) if digit is None else digit
    rather_than = None if rather_than == digit else rather_than
    score = score_of(ours, digit, rather_than)
    values = as_numbers(way.measure(score, inputs, filling).sum(dim=1)[0])  # (1, C, H, W) -> (H, W)
    shades = [normalize(torch.tensor(shade), in_colour=takes_colours(ours)).to(inputs.device) for shade in (0.0, 1.0)]
    shown = ((inputs - shades[0]) / (shades[1] - shades[0])).amax(dim=1)[0]  # (1, C, H, W) -> (H, W), as `ink_of` does

    def region(sign: int) -> Region | None:
        box = strongest_box(sign * values, PATCH if way.adds_ink else max(values.shape) // BOX_SHARE)
        left, top, right, bottom = box
        changed = inputs.clone()
        changed[..., top:bottom, left:right] = filling[..., top:bottom, left:right]
        if sign * values[top:bottom, left:right].sum() <= 0 or changed.equal(inputs):
            return None
        with torch.no_grad():
            return Region(box, float(score(changed)[0]), probabilities_of(ours, changed))

    with torch.no_grad():
        scores = float(score(inputs)[0]), float(score(paper)[0])
    regions = region(1), region(-1)
    return Attribution(digit, rather_than, values, as_numbers(shown), *scores, probabilities, *regions)


def score_of(model: nn.Module, digit: int, rather_than: int | None) -> Score:
    """What is explained: the logit of a digit, or how far it is above that of another one."""

    def score(images: Tensor) -> Tensor:
        logits: Tensor = model(images)  # (N, C, H, W) -> (N, 10)
        return logits[:, digit] if rather_than is None else logits[:, digit] - logits[:, rather_than]

    return score


def probabilities_of(model: nn.Module, inputs: Tensor) -> NDArray[np.float32]:
    """The probabilities of the ten digits: (1, C, H, W) -> (10,)."""
    with torch.no_grad():
        return as_numbers(model(inputs)[0].softmax(dim=0))


def strongest_box(values: NDArray[np.float32], side: int) -> Box:
    """The square of this side with the largest sum: (H, W) -> pixels."""
    windows = np.lib.stride_tricks.sliding_window_view(values, (side, side)).sum(axis=(2, 3), dtype=np.float64)
    top, left = divmod(int(windows.argmax()), windows.shape[1])
    return left, top, left + side, top + side
