"""The canvas, its buttons, and what comes back from the browser, which is not to be trusted."""

from __future__ import annotations

import binascii
import io
import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import streamlit as st
from PIL.PngImagePlugin import PngImageFile
from streamlit_drawable_canvas import st_canvas

from mnist_core.drawing import Picture
from mnist_ui import colours, photo
from mnist_ui.browser import CANVAS_KEY
from mnist_ui.drawing import SIDE, Drawer, Drawing, blank_drawing
from mnist_ui.language import _
from mnist_ui.photo import as_drawing

LARGEST_PICTURE = 300_000  # bytes of PNG that the canvas may send
MOST_OBJECTS = 500
LARGEST_STROKES = 2_000_000  # characters of JSON that describe them


@st.fragment
def show(visitor: Drawer, beside: Callable[[Drawer], None]) -> None:
    """The canvas, and right of it what `beside` shows; a stroke redraws these, and a lesson that follows them."""
    left, right = st.columns([1.15, 2.4], gap="medium")
    with left:
        canvas, buttons = (
            st.container(key=CANVAS_KEY),
            st.container(horizontal=True, gap="xsmall", key="canvas_buttons"),
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            colours.choose_pen(visitor)
            brush = st.slider(_("Brush width in pixels"), 8, 40, 20, key="brush")
            photo.show(visitor)
        with canvas:
            show_canvas(visitor, brush)
        with buttons:
            show_buttons(visitor)
    with right:
        beside(visitor)
    if visitor.drawing_in_lesson not in (None, visitor.drawing):
        st.rerun()  # the answer is there; now the lesson follows


def show_canvas(visitor: Drawer, brush: int) -> None:
    """The canvas itself, with the visitor's pen, so many pixels wide; takes over what was drawn."""
    paper = paper_colour(visitor.canvas_revision)
    pen, result = colours.pen_of(visitor), None
    with suppress(AttributeError, KeyError, TypeError):  # from within st_canvas, when what was sent has another form
        result = st_canvas(
            stroke_width=brush,
            stroke_color=pen,
            background_color=paper,
            width=SIDE,
            height=SIDE,
            # The canvas fills itself anew when this or the paper changes, and then sends what it shows.
            initial_drawing={"objects": list(visitor.canvas_start)},
            return_image_data=True,
            key="drawing",
        )
    drawing = read_ink(result, paper)
    if drawing is not None and drawing.sent != visitor.last_sent:
        visitor.draw(drawing)


def paper_colour(revision: int) -> str:
    """Black, whatever the hue; by the hue the canvas tells which of its fillings it speaks of."""
    return f"hsl({revision}, 0%, 0%)"


def show_buttons(visitor: Drawer) -> None:
    """Clear, Undo and Example."""
    blank = not visitor.drawing.ink.any()
    st.button(_("Clear"), icon=":material/delete:", disabled=blank, on_click=clear, args=(visitor,))
    st.button(_("Undo"), icon=":material/undo:", disabled=not visitor.undo, on_click=visitor.take_back)
    # Without help: its tooltip would lie over the canvas and take the strokes that begin there.
    st.button(_("Example"), icon=":material/casino:", on_click=put_example, args=(visitor,))


def clear(visitor: Drawer) -> None:
    """Wipe the canvas; Undo brings the drawing back."""
    visitor.put(blank_drawing())


def put_example(visitor: Drawer) -> None:
    """Put a digit from MNIST's test set on the canvas, one that no network here has learnt from."""
    from mnist_ui.test_images import test_digits  # which imports PyTorch

    digits = test_digits()
    image = digits.images[random.randrange(len(digits)), 0].numpy()
    visitor.put(as_drawing(colours.drawn_with(colours.pen_of(visitor), image)))


def read_ink(result: Any, paper: str) -> Drawing | None:
    """What the browser says was drawn, or None when it has sent nothing, or nothing that a canvas of ours would send.

    What was drawn on another paper is None too: the canvas has since been filled anew, and will tell what it shows.
    Length, format and size are checked before the picture is decoded.
    """
    try:
        png = result.image_bytes
        objects, background = result.json_data["objects"], result.json_data["background"]
    except (binascii.Error, AttributeError, KeyError, TypeError, ValueError):
        return None
    if background != paper or png is None:
        return None
    if len(png) > LARGEST_PICTURE or not are_strokes(objects):
        return None
    picture = decode(png)
    return None if picture is None else Drawing(picture, tuple(objects), png)


def are_strokes(objects: Any) -> bool:
    """Whether this is a list of strokes of a size that somebody could have drawn; they are kept, but never run."""
    if not isinstance(objects, list) or len(objects) > MOST_OBJECTS:
        return False
    try:
        return len(json.dumps(objects)) <= LARGEST_STROKES
    except (RecursionError, TypeError, ValueError):
        return False


def decode(png: bytes) -> Picture | None:
    """A PNG of the canvas's size as ink (H, W) uint8, in colour (H, W, 3); None when it is something else."""
    try:
        with PngImageFile(io.BytesIO(png)) as picture:  # Image.open would warn of a huge size, or raise
            if picture.size != (SIDE, SIDE):
                return None
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError):
        return None
    is_grey = np.array_equal(pixels[..., :2], pixels[..., 1:])
    return pixels[..., 0].copy() if is_grey else pixels
