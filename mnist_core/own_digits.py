"""Drawings that somebody has labelled: what the picture shows, and which digit its author says it is."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from mnist_core.drawing import Picture
from mnist_core.errors import DrawingError
from mnist_core.messages import say

LONGEST_SIDE = 560  # pixels of a labelled drawing; a canvas has 280
LARGEST_PNG = 300_000  # bytes


@dataclass(frozen=True)
class OwnDigit:
    """A labelled drawing, packed: a thousand of them take a few megabytes.

    Attributes:
        png: the drawing, light ink on black paper, as a PNG in grey or in colour. label: 0..9.
    """

    png: bytes
    label: int

    @property
    def picture(self) -> Picture:
        """The drawing: ink (H, W) uint8, 255 = pen; or in colour (H, W, 3).

        Raises:
            DrawingError: when the bytes are no PNG of a drawing's size.
        """
        return unpack(self.png)


def label_drawing(picture: Picture, label: int) -> OwnDigit:
    """A drawing, ink (H, W) uint8 or in colour (H, W, 3), with its label, 0..9, packed."""
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, format="PNG")
    return OwnDigit(packed.getvalue(), label)


def unpack(png: bytes) -> Picture:
    """A PNG as ink (H, W) uint8, or in colour (H, W, 3); bytes, format and size are checked before it is decoded.

    Raises:
        DrawingError: when it is something else, or too large.
    """
    no_drawing = say("This is no PNG of a drawing, at most {side} pixels a side.", side=LONGEST_SIDE)
    if len(png) > LARGEST_PNG:
        raise DrawingError(no_drawing)
    try:
        with PngImageFile(io.BytesIO(png)) as picture:  # Image.open would warn of a huge size, or raise
            if not 1 <= max(picture.size) <= LONGEST_SIDE:
                raise DrawingError(no_drawing)
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DrawingError(no_drawing) from error
    is_grey = np.array_equal(pixels[..., :2], pixels[..., 1:])
    return pixels[..., 0].copy() if is_grey else pixels
