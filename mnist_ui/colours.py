"""Colour digits: the switch, what the training images then look like, and the pen in colour."""

from __future__ import annotations

import re

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray
from PIL import ImageColor

from mnist_core import TrainConfig, load_mnist
from mnist_core.config import random_changes
from mnist_core.data import COLOUR_MEAN, COLOUR_STD, normalize
from mnist_core.drawing import Ink, Picture
from mnist_ui.film import data_url
from mnist_ui.language import _
from mnist_ui.visitor import Visitor, set_widget_value, setting_key, widget_value

WHITE = "#ffffff"
PEN_KEY = "pen"
ROWS, COLUMNS = 2, 8  # of the examples
EXAMPLES_STYLE = """<style>
.examples { width: 100%; border-radius: 6px; display: block; }
</style>"""


def choose() -> bool:
    """The switch."""
    return st.toggle(
        _("Colour digits"),
        key=setting_key("colour", False),
        help=_(
            "Gives every training image ink and paper of random colours, and you a pen in colour. The network then "
            "gets 3 x 32 x 32 numbers for red, green and blue, in place of 1 x 28 x 28."
        ),
    )


def show_examples(config: TrainConfig) -> None:
    """A few training images as a run with this configuration may see them."""
    words = _("{count} of the training images; their colours are new each time.", count=ROWS * COLUMNS)
    picture = data_url(side_by_side(example_images(config)), largest=3 * 32 * COLUMNS)
    st.html(f'{EXAMPLES_STYLE}<img class="examples" src="{picture}" alt="{words}"/>')
    st.caption(words)


def example_images(config: TrainConfig) -> NDArray[np.uint8]:
    """The first training images, changed at random as in training: (N, 32, 32, 3) uint8."""
    change = random_changes(config)
    assert change is not None
    images = change(normalize(first_training_images())) * COLOUR_STD + COLOUR_MEAN  # (N, 3, 32, 32) float32 0..1
    return (255 * images).round().byte().permute(0, 2, 3, 1).numpy()


@st.cache_resource(show_spinner=False)
def first_training_images() -> torch.Tensor:
    """A few of MNIST's training images, one copy for all visitors: (N, 1, 28, 28) uint8."""
    return load_mnist("train").images[: ROWS * COLUMNS].clone()  # the rest is let go


def side_by_side(images: NDArray[np.uint8]) -> Picture:
    """Images (ROWS * COLUMNS, H, W, 3) in rows, as one three times as large."""
    _count, height, width, channels = images.shape
    rows = images.reshape(ROWS, COLUMNS, height, width, channels).swapaxes(1, 2)  # (R, H, C, W, 3)
    return rows.reshape(ROWS * height, COLUMNS * width, channels).repeat(3, axis=0).repeat(3, axis=1)


def choose_pen(visitor: Visitor) -> None:
    """The choice of the pen's colour, in colour only."""
    if not visitor.config.colour:
        return
    set_widget_value(PEN_KEY, visitor.pen)
    st.color_picker(
        _("Pen"),
        key=PEN_KEY,
        on_change=take_pen,
        args=(visitor,),
        help=_("On black paper each colour is as bright as it can be."),
    )


def take_pen(visitor: Visitor) -> None:
    """Take over the colour that was chosen."""
    visitor.pen = brightened(widget_value(PEN_KEY))


def pen_of(visitor: Visitor) -> str:
    """The colour that the visitor draws in, as "#rrggbb": white, unless digits are in colour."""
    return visitor.pen if visitor.config.colour else WHITE


def brightened(colour: object) -> str:
    """A colour "#rrggbb" with its brightest channel at full, so that it is told from black paper; of no colour, white.

    What comes in is from the browser, and not to be trusted.
    """
    if not isinstance(colour, str) or not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        return WHITE
    channels = ImageColor.getrgb(colour)
    brightest = max(channels)
    return "#" + "".join(f"{round(255 * channel / brightest):02x}" for channel in channels) if brightest else WHITE


def drawn_with(pen: str, ink: Ink) -> Picture:
    """Ink as this pen would have drawn it: (H, W) itself for white, (H, W, 3) for a colour."""
    if pen == WHITE:
        return ink
    return np.round(ink[..., None] / 255 * np.array(ImageColor.getrgb(pen))).astype(np.uint8)
