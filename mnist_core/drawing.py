"""Ink on a canvas becomes a 28 x 28 image as MNIST's authors made theirs; every stage is kept for showing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mnist_core.errors import DrawingError
from mnist_core.messages import say

Ink = NDArray[np.uint8]  # (H, W), 0 = paper, 255 = pen
Pixels = NDArray[np.float32]  # (28, 28), 0..1

SIZE, BOX = 28, 20  # of the image, and of the box that the digit fills
MIDDLE = 14.4  # where the centre of mass goes, in pixels from the edge; MNIST's own lie between 14 and 15
FAINTEST = 32  # ink below this is smudge: it neither counts as drawn nor widens the crop
LARGEST_SIDE = 8192  # of a canvas, in pixels

STAGE_NAMES = (say("drawing"), say("cropped"), say("20 x 20"), say("28 x 28"))


@dataclass(frozen=True)
class Stage:
    """One picture on the way from canvas to network: its name and its pixels (H, W) uint8."""

    name: str
    image: Ink


@dataclass(frozen=True)
class Prepared:
    """A drawing as the network sees it.

    Attributes:
        image: (28, 28) float32, 0 = paper, 1 = ink.
        stages: the way there: drawing, cropped, 20 x 20, centred 28 x 28.
        is_blank: nothing was drawn. is_dot: the pen touched the canvas, but drew no line.
    """

    image: Pixels
    stages: tuple[Stage, ...]
    is_blank: bool
    is_dot: bool


def prepare(ink: Ink) -> Prepared:
    """Crop to the ink, fit into 20 x 20 keeping the aspect, put the centre of mass into the middle of 28 x 28.

    The steps are those of LeCun, Cortes and Burges, "The MNIST database of handwritten digits": size-normalised to fit
    a 20 x 20 box while preserving the aspect ratio, grey by anti-aliasing, centred by centre of mass in 28 x 28.

    Args:
        ink: (H, W) uint8 of any size, 0 = paper, 255 = pen.

    Raises:
        DrawingError: when `ink` is no such array.
    """
    ink = check_ink(ink)
    blank = Prepared(np.zeros((SIZE, SIZE), np.float32), (Stage(STAGE_NAMES[0], ink),), is_blank=True, is_dot=False)
    drawn = ink >= FAINTEST
    if not drawn.any():
        return blank
    cropped = crop(ink, drawn)
    fitted = fit(cropped)
    centred = centre(fitted)
    if not centred.any():  # a few faint specks, far apart: nothing of them is left at this size
        return blank
    stages = tuple(Stage(*stage) for stage in zip(STAGE_NAMES, (ink, cropped, fitted, centred), strict=True))
    return Prepared((centred / 255).astype(np.float32), stages, is_blank=False, is_dot=looks_like_a_dot(cropped))


def check_ink(ink: object) -> Ink:
    """`ink` itself when it is (H, W) uint8 of a size that a canvas can have, or a DrawingError."""
    if not isinstance(ink, np.ndarray) or ink.ndim != 2 or ink.dtype != np.uint8:
        found = f"{ink.shape} {ink.dtype}" if isinstance(ink, np.ndarray) else type(ink).__name__
        raise DrawingError(say("A drawing must be a (height, width) array of uint8, not {found}.", found=found))
    if not min(ink.shape) > 0 or max(ink.shape) > LARGEST_SIDE:
        raise DrawingError(
            say(
                "A drawing must have 1 to {most} pixels a side, not {width} x {height}.",
                most=LARGEST_SIDE,
                width=ink.shape[1],
                height=ink.shape[0],
            )
        )
    return ink


def crop(ink: Ink, drawn: NDArray[np.bool_]) -> Ink:
    """The smallest rectangle that holds everything drawn: (H, W) -> (h, w)."""
    left, top, right, bottom = bounds(drawn)
    return ink[top:bottom, left:right]


def bounds(drawn: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom, exclusive, of what is drawn on a canvas that is not empty: (H, W) -> pixels."""
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def fit(cropped: Ink) -> Ink:
    """Scale to 20 pixels on the longer side, anti-aliased: (h, w) -> (20, w') or (h', 20)."""
    height, width = cropped.shape
    scale = BOX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(cropped).resize(size, Image.Resampling.BILINEAR))


def centre(fitted: Ink) -> Ink:
    """Place the digit in 28 x 28 so that its centre of mass lies at MIDDLE, to a fraction of a pixel."""
    height, width = fitted.shape
    weights = fitted.astype(np.float64)
    mass = weights.sum() or 1.0
    down = MIDDLE - (weights.sum(axis=1) @ (np.arange(height) + 0.5)) / mass
    right = MIDDLE - (weights.sum(axis=0) @ (np.arange(width) + 0.5)) / mass
    # Nothing of the digit may leave the picture, however lopsided it is.
    down, right = np.clip(down, 0, SIZE - height), np.clip(right, 0, SIZE - width)
    placed = np.zeros((SIZE + 1, SIZE + 1))
    for dy, dx, share in shares(down, right):
        placed[dy : dy + height, dx : dx + width] += share * weights
    return np.round(placed[:SIZE, :SIZE]).astype(np.uint8)


def shares(down: float, right: float) -> list[tuple[int, int, float]]:
    """Bilinear interpolation: the four whole-pixel shifts around (down, right), each with its share."""
    (y, below), (x, beside) = ((math.floor(shift), shift - math.floor(shift)) for shift in (down, right))
    return [
        (y, x, (1 - below) * (1 - beside)),
        (y, x + 1, (1 - below) * beside),
        (y + 1, x, below * (1 - beside)),
        (y + 1, x + 1, below * beside),
    ]


def looks_like_a_dot(cropped: Ink) -> bool:
    """Whether the ink is one filled blob, about as wide as tall: a pen that was set down and lifted again."""
    height, width = cropped.shape
    return 0.75 <= width / height <= 4 / 3 and float(cropped.mean()) / 255 > 0.7
