"""Colour digits: the switch, and the pen in colour."""

from __future__ import annotations

import re

import numpy as np
import streamlit as st
from PIL import ImageColor

from mnist_core.drawing import Ink, Picture
from mnist_ui.drawing import Drawer
from mnist_ui.language import _
from mnist_ui.session import set_widget_value, setting_key, widget_value

WHITE = "#ffffff"
PEN_KEY = "pen"


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


def choose_pen(visitor: Drawer) -> None:
    """The choice of the pen's colour, in colour only."""
    if not visitor.in_colour:
        return
    set_widget_value(PEN_KEY, visitor.pen)
    st.color_picker(
        _("Pen"),
        key=PEN_KEY,
        on_change=take_pen,
        args=(visitor,),
        help=_("On black paper each colour is as bright as it can be."),
    )


def take_pen(visitor: Drawer) -> None:
    """Take over the colour that was chosen."""
    visitor.pen = brightened(widget_value(PEN_KEY))


def pen_of(visitor: Drawer) -> str:
    """The colour that the visitor draws in, as "#rrggbb": white, unless digits are in colour."""
    return visitor.pen if visitor.in_colour else WHITE


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
