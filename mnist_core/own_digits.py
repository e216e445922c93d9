"""Drawings that somebody has labelled: what the picture shows, and which digit its author says it is."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from mnist_core.drawing import Picture, prepare
from mnist_core.errors import DrawingError
from mnist_core.messages import say

if TYPE_CHECKING:
    from mnist_core.data import Digits

LONGEST_SIDE = 560  # pixels of a labelled drawing; a canvas has 280
LARGEST_PNG = 300_000  # bytes
DRAWN_HERE = "digit playground"  # what our PNGs name as their software: they are light on dark, whatever they show


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
    packed, notes = io.BytesIO(), PngInfo()
    notes.add_text("Software", DRAWN_HERE)
    Image.fromarray(plain(picture)).save(packed, format="PNG", pnginfo=notes)
    return OwnDigit(packed.getvalue(), label)


def plain(picture: Picture) -> Picture:
    """A drawing in colour (H, W, 3) as ink (H, W) when it has no colours; any other as it is."""
    has_no_colours = picture.ndim == 3 and np.array_equal(picture[..., :2], picture[..., 1:])
    return picture[..., 0].copy() if has_no_colours else picture


def unpack(png: bytes) -> Picture:
    """A PNG as ink (H, W) uint8, or in colour (H, W, 3); bytes, format and size are checked before it is decoded.

    Raises:
        DrawingError: when it is something else, or too large.
    """
    picture, _ = read_png(png)
    return picture


def read_png(png: bytes) -> tuple[Picture, bool]:
    """What a PNG shows, see `unpack`, and whether it is one of ours, which need no guess at what is ink."""
    no_drawing = say("This is no PNG of a drawing, at most {side} pixels a side.", side=LONGEST_SIDE)
    if len(png) > LARGEST_PNG:
        raise DrawingError(no_drawing)
    try:
        with PngImageFile(io.BytesIO(png)) as picture:  # Image.open would warn of a huge size, or raise
            if not 1 <= min(picture.size) <= max(picture.size) <= LONGEST_SIDE:
                raise DrawingError(no_drawing)
            is_plain = picture.mode in ("L", "RGB") and not picture.has_transparency_data
            drawn_here = is_plain and picture.info.get("Software") == DRAWN_HERE
            pixels = np.asarray(picture.convert("RGB"))
    except DrawingError:
        raise
    except Exception as error:  # a hostile file can make a decoder raise anything
        raise DrawingError(no_drawing) from error
    return plain(pixels), drawn_here


def as_digits(own: Iterable[OwnDigit], colour: bool = False) -> Digits:
    """Labelled drawings as a network is given them: prepared as `classify` prepares a drawing.

    Those in which `classify` reads nothing, blank ones and mere dots, are left out: the set may have fewer images than
    there are drawings, and none at all.

    Args:
        colour: for a network for colours: each drawing in its own colours, on black.

    Returns:
        images (N, 1, 28, 28) uint8, in colour (N, 3, 32, 32); labels (N,) int64.

    Raises:
        DrawingError: when one of them holds no drawing.
    """
    import torch  # here, because whoever only packs drawings need not wait for it

    from mnist_core.colour import COLOUR_SHAPE, GREY_SHAPE
    from mnist_core.data import Digits

    shape = COLOUR_SHAPE if colour else GREY_SHAPE
    images, labels = [], []
    for one in own:
        prepared = prepare(one.picture, in_colour=colour)
        if not (prepared.is_blank or prepared.is_dot):
            images.append(np.round(255 * prepared.seen).astype(np.uint8).reshape(shape))  # (28, 28) -> (1, 28, 28)
            labels.append(one.label)
    stacked = np.stack(images) if images else np.zeros((0, *shape), np.uint8)
    return Digits(torch.from_numpy(stacked), torch.tensor(labels, dtype=torch.int64))
