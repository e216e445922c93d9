"""Digits in colour, made of grey ones on the fly: ink and paper of each image in random colours, 3 x 32 x 32."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_core.data import MEAN, STD, Digits, normalize
from mnist_core.drawing import FRAME, SIZE
from mnist_core.errors import DataError
from mnist_core.messages import say
from mnist_core.models import takes_colours

GREY_SHAPE = (1, SIZE, SIZE)
COLOUR_SHAPE = (3, SIZE + 2 * FRAME, SIZE + 2 * FRAME)
LEAST_CONTRAST = 0.5  # how far apart the colours of ink and paper lie at least, as (red, green, blue), each 0..1
TEST_SEED = 0  # the test images have the same colours in every run, so that accuracies can be compared
CHUNK = 1000  # images coloured at a time: as float32 they take four times the memory


def colour(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image of a batch in two random colours, ink on paper, with 2 pixels of paper around.

    Args:
        images: (N, 1, 28, 28) float32, normalised.
        generator: on the CPU; equal states give equal colours.

    Returns:
        (N, 3, 32, 32) float32, normalised as images in colour are.
    """
    ink, paper = (normalize(colours, in_colour=True) for colours in draw_colours(len(images), generator))
    return paint(images * STD + MEAN, ink, paper)


def draw_colours(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Colours for ink and for paper, each (count, 3) float32 0..1, at least LEAST_CONTRAST apart.

    Paper is of any colour, all as likely; so is the ink, among the colours that can be told from the paper.
    """
    paper, ink = torch.rand(2, count, 3, generator=generator)
    while len(close := (contrast(ink, paper) < LEAST_CONTRAST).nonzero()[:, 0]):
        ink[close] = torch.rand(len(close), 3, generator=generator)
    return ink, paper


def contrast(ink: Tensor, paper: Tensor) -> Tensor:
    """The distance between colours (N, 3): from 0 to 1.73, that of black and white; (N,)."""
    return (ink - paper).square().sum(dim=1).sqrt()


def paint(images: Tensor, ink: Tensor, paper: Tensor) -> Tensor:
    """Ink over paper: (N, 1, H, W) float32, 0 = paper, 1 = ink, and two colours each (N, 3) -> (N, 3, H + 4, W + 4)."""
    images = F.pad(images, 4 * [FRAME])  # -> (N, 1, H + 4, W + 4)
    return torch.lerp(paper[:, :, None, None], ink[:, :, None, None], images)


def coloured(digits: Digits, seed: int = TEST_SEED) -> Digits:
    """A whole set in colours that stay as they are: (N, 3, 32, 32) uint8, for testing.

    Raises:
        DataError: when its images are not 1 x 28 x 28.
    """
    check_grey(digits)
    generator = torch.Generator().manual_seed(seed)
    images = torch.empty(len(digits), *COLOUR_SHAPE, dtype=torch.uint8)
    for start in range(0, len(digits), CHUNK):
        grey = digits.images[start : start + CHUNK] / 255  # (N, 1, 28, 28) uint8 -> float32
        painted = paint(grey, *draw_colours(len(grey), generator))  # -> (N, 3, 32, 32)
        images[start : start + CHUNK] = painted.mul_(255).round_()
    return Digits(images, digits.labels)


def check_grey(digits: Digits) -> None:
    """Raise a DataError unless the images are grey and of MNIST's size: only such can be given colours."""
    given = tuple(digits.images.shape[1:])
    if given != GREY_SHAPE:
        raise DataError(
            say(
                "Only images of {grey} can be coloured, not of {given}.",
                grey=" x ".join(map(str, GREY_SHAPE)),
                given=" x ".join(map(str, given)),
            )
        )


def digits_for(model: nn.Module, digits: Digits) -> Digits:
    """A test set as the model reads it: in its fixed colours for a network for colours, otherwise as it is."""
    return coloured(digits) if takes_colours(model) else digits
