"""Ink on a canvas becomes a 28 x 28 image as MNIST's authors made theirs; every stage is kept for showing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mnist_core.errors import DrawingError
from mnist_core.messages import say

Ink = NDArray[np.uint8]  # (H, W), 0 = paper, 255 = pen
Picture = NDArray[np.uint8]  # ink (H, W), or red, green and blue (H, W, 3) of bright pens on black paper
Pixels = NDArray[np.float32]  # (28, 28), 0..1; in colour (3, 32, 32)

SIZE, BOX = 28, 20  # of the image, and of the box that the digit fills
FRAME = 2  # pixels of paper around the image in colour, which makes it 32 x 32
MIDDLE = 14.4  # where the centre of mass goes, in pixels from the edge; MNIST's own lie between 14 and 15
FAINTEST = 32  # ink below this is smudge: it neither counts as drawn nor widens the crop
LARGEST_DOT = 0.25  # of the canvas's longer side; the page's thickest pen is a seventh
LARGEST_SIDE = 8192  # of a canvas, in pixels

STAGE_NAMES = (say("drawing"), say("cropped"), say("20 x 20"), say("28 x 28"))
COLOUR_STAGE_NAMES = (*STAGE_NAMES[:3], say("32 x 32"))


@dataclass(frozen=True)
class Stage:
    """One picture on the way from canvas to network: its name and its pixels, (H, W) or (H, W, 3) uint8."""

    name: str
    image: Picture


@dataclass(frozen=True)
class Prepared:
    """A drawing as the network sees it.

    Attributes:
        image: (28, 28) float32, 0 = paper, 1 = ink.
        stages: the way there: drawing, cropped, 20 x 20, centred 28 x 28; to `colours`, when there are any.
        is_blank: nothing was drawn. is_dot: the pen touched the canvas, but drew no line.
        colours: (3, 32, 32) float32 0..1, when it was prepared in colour; otherwise None.
    """

    image: Pixels
    stages: tuple[Stage, ...]
    is_blank: bool
    is_dot: bool
    colours: Pixels | None = None

    @property
    def seen(self) -> Pixels:
        """What the network is given: `colours`, or else `image`."""
        return self.image if self.colours is None else self.colours


def prepare(ink: Picture, in_colour: bool = False) -> Prepared:
    """Crop to the ink, fit into 20 x 20 keeping the aspect, put the centre of mass into the middle of 28 x 28.

    The steps are those of LeCun, Cortes and Burges, "The MNIST database of handwritten digits": size-normalised to fit
    a 20 x 20 box while preserving the aspect ratio, grey by anti-aliasing, centred by centre of mass in 28 x 28.

    Args:
        ink: (H, W) uint8 of any size, 0 = paper, 255 = pen; or in colour (H, W, 3), see `ink_of`.
        in_colour: makes `colours` too: each channel goes the way of the ink. Ink without colours is white on black.

    Raises:
        DrawingError: when `ink` is no such array.
    """
    picture = check_picture(ink)
    ink = ink_of(picture)
    drawn = ink >= FAINTEST
    if not drawn.any():
        return blank_of(picture, in_colour)
    cropped = crop(ink, drawn)
    fitted = fit(cropped)
    shift = shift_to_middle(fitted)
    placed = place(fitted, *shift)
    if not placed.any():  # a few faint specks, far apart: nothing of them is left at this size
        return blank_of(picture, in_colour)
    image, is_dot = (placed / 255).astype(np.float32), looks_like_a_dot(cropped, ink)
    prepared = Prepared(image, named(STAGE_NAMES, (ink, cropped, fitted, placed)), is_blank=False, is_dot=is_dot)
    return with_colours(prepared, in_colours(picture), drawn, shift) if in_colour else prepared


def with_colours(
    prepared: Prepared, coloured: Picture, drawn: NDArray[np.bool_], shift: tuple[float, float]
) -> Prepared:
    """A drawing prepared in its colours (H, W, 3) too: each channel goes the way of the ink, and is framed by paper."""
    cropped = crop(coloured, drawn)
    fitted = fit(cropped)
    placed = np.pad(place(fitted, *shift), ((FRAME, FRAME), (FRAME, FRAME), (0, 0)))  # (28, 28, 3) -> (32, 32, 3)
    colours = (placed.transpose(2, 0, 1) / 255).astype(np.float32)  # -> (3, 32, 32)
    return replace(prepared, colours=colours, stages=named(COLOUR_STAGE_NAMES, (coloured, cropped, fitted, placed)))


def blank_of(picture: Picture, in_colour: bool) -> Prepared:
    """What becomes of a canvas on which there is nothing."""
    side = SIZE + 2 * FRAME
    colours = np.zeros((3, side, side), np.float32) if in_colour else None
    stages = (Stage(STAGE_NAMES[0], in_colours(picture) if in_colour else ink_of(picture)),)
    return Prepared(np.zeros((SIZE, SIZE), np.float32), stages, is_blank=True, is_dot=False, colours=colours)


def named(names: Sequence[str], images: Sequence[Picture]) -> tuple[Stage, ...]:
    """Each image as the stage of this name."""
    return tuple(Stage(*stage) for stage in zip(names, images, strict=True))


def check_picture(picture: object) -> Picture:
    """`picture` itself when it is (H, W) or (H, W, 3) uint8 of a size that a canvas can have, or a DrawingError."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or not is_shape_of_picture(picture.shape):
        found = f"{picture.shape} {picture.dtype}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise DrawingError(
            say("A drawing must be a (height, width) or (height, width, 3) array of uint8, not {found}.", found=found)
        )
    height, width = picture.shape[:2]
    if not min(height, width) > 0 or max(height, width) > LARGEST_SIDE:
        raise DrawingError(
            say(
                "A drawing must have 1 to {most} pixels a side, not {width} x {height}.",
                most=LARGEST_SIDE,
                width=width,
                height=height,
            )
        )
    return picture


def is_shape_of_picture(shape: tuple[int, ...]) -> bool:
    """Whether a shape is (H, W) or (H, W, 3)."""
    return len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)


def ink_of(picture: Picture) -> Ink:
    """How far each pixel is from the paper, 0..255: (H, W) itself; of (H, W, 3) the brightest channel.

    For pens whose brightest channel is 255, on black paper, that is how much of a pixel they cover, whatever their hue.
    """
    return picture if picture.ndim == 2 else np.asarray(picture.max(axis=2))


def in_colours(picture: Picture) -> Picture:
    """A picture in red, green and blue: ink (H, W) as white on black (H, W, 3)."""
    return np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture


def crop(picture: Picture, drawn: NDArray[np.bool_]) -> Picture:
    """The smallest rectangle that holds everything drawn: (H, W, ...) -> (h, w, ...)."""
    left, top, right, bottom = bounds(drawn)
    return picture[top:bottom, left:right]


def bounds(drawn: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom, exclusive, of what is drawn on a canvas that is not empty: (H, W) -> pixels."""
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def fit(cropped: Picture) -> Picture:
    """Scale to 20 pixels on the longer side, anti-aliased: (h, w, ...) -> (20, w', ...) or (h', 20, ...)."""
    height, width = cropped.shape[:2]
    scale = BOX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(cropped).resize(size, Image.Resampling.BILINEAR))


def shift_to_middle(fitted: Ink) -> tuple[float, float]:
    """How far down and to the right the digit (h, w) goes in 28 x 28 for its centre of mass to lie at MIDDLE."""
    height, width = fitted.shape
    weights = fitted.astype(np.float64)
    mass = weights.sum() or 1.0
    down = MIDDLE - (weights.sum(axis=1) @ (np.arange(height) + 0.5)) / mass
    right = MIDDLE - (weights.sum(axis=0) @ (np.arange(width) + 0.5)) / mass
    # Nothing of the digit may leave the picture, however lopsided it is.
    return float(min(max(down, 0.0), SIZE - height)), float(min(max(right, 0.0), SIZE - width))


def place(fitted: Picture, down: float, right: float) -> Picture:
    """Put the digit into 28 x 28, so far down and right, to a fraction of a pixel: (h, w, ...) -> (28, 28, ...)."""
    height, width, *channels = fitted.shape
    placed = np.zeros((SIZE + 1, SIZE + 1, *channels))
    for dy, dx, share in shares(down, right):
        placed[dy : dy + height, dx : dx + width] += share * fitted
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


def looks_like_a_dot(cropped: Ink, ink: Ink) -> bool:
    """Whether the ink is one filled blob, about as wide as tall: a pen that was set down and lifted again.

    A small digit in thick strokes fills its box as well, but no pen is as large a part of the canvas as that.
    """
    height, width = cropped.shape
    small = max(cropped.shape) <= LARGEST_DOT * max(ink.shape)
    return small and 0.75 <= width / height <= 4 / 3 and float(cropped.mean()) / 255 > 0.7
