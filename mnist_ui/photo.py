"""A photograph or scan of a digit, from a file or the camera, onto the canvas."""

from __future__ import annotations

import base64
import io

import numpy as np
import streamlit as st
from PIL import Image

from mnist_core.drawing import FAINTEST, Ink, Picture, crop
from mnist_core.errors import DrawingError
from mnist_core.messages import say
from mnist_core.pictures import LARGEST_FILE, read_picture
from mnist_core.server_settings import server_settings
from mnist_ui.colours import drawn_with, pen_of
from mnist_ui.drawing import SIDE, Drawer, Drawing
from mnist_ui.language import _
from mnist_ui.session import set_widget_value, widget_value

FILE_TYPES = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"]
FILE, CAMERA = "file", "camera"
SOURCE_NAMES = {FILE: say("File"), CAMERA: say("Camera")}
OPEN = "photo_open"  # key of the popover, whose value says whether it is open
WRITTEN_SIDE = 200  # pixels of the canvas that what was written fills, as MNIST's digits fill 20 of 28
NOTHING_FOUND = say(
    "No writing found on the picture. Take it from nearer, in more light, with nothing else on the paper."
)


def show(visitor: Drawer) -> None:
    """The button that opens the choice between a file and the camera; they are there only while it is open."""
    with st.popover(_("Photo"), icon=":material/photo_camera:", key=OPEN, on_change="rerun") as popover:
        if not popover.open:
            return
        source = st.segmented_control(
            _("From"),
            [FILE, CAMERA],
            format_func=lambda name: _(SOURCE_NAMES[name]),
            default=FILE,
            required=True,
            key="photo_source",
            label_visibility="collapsed",
        )
        if visitor.photo_problem:
            st.error(_(visitor.photo_problem))
        # A picture that was read makes room for the next by a new key; the browser keeps no list of them.
        key = f"photo_{source}_{visitor.photos_put}"
        if source == CAMERA:  # asks for leave to use the camera as soon as it is shown
            st.camera_input(_("One digit, large and from straight above"), key=key, on_change=take, args=(visitor, key))
        else:
            st.file_uploader(
                _("A photo or scan of one digit"),
                FILE_TYPES,
                key=key,
                on_change=take,
                args=(visitor, key),
                max_upload_size=max(1, most_bytes() // 1_000_000),
            )


def most_bytes() -> int:
    """How large a picture file may be."""
    return min(server_settings().upload_bytes, LARGEST_FILE)


def take(visitor: Drawer, key: str) -> None:
    """Put what is written on the picture that the widget with this key has just received onto the canvas.

    What cannot be read leaves the drawing as it is, and says why.
    """
    picture = widget_value(key)
    visitor.photo_problem = ""
    if picture is None:  # taken away again
        return
    if picture.size > most_bytes():
        most = most_bytes() / 1_000_000
        visitor.photo_problem = say(
            "{picture} has more than {most} MB. Make it smaller, or crop it.",
            picture=say("The picture"),
            most=f"{most:g}",
        )
        return
    try:
        ink = read_picture(picture.getvalue())
    except DrawingError as error:
        visitor.photo_problem = error.message
        return
    if not (ink >= FAINTEST).any():
        visitor.photo_problem = NOTHING_FOUND
        return
    visitor.put(as_drawing(drawn_with(pen_of(visitor), on_canvas(ink))))
    visitor.photos_put += 1
    set_widget_value(OPEN, False)


def on_canvas(ink: Ink) -> Ink:
    """What is written, cut out and fitted into the middle of the canvas: (H, W) uint8 with some ink -> (280, 280)."""
    written = Image.fromarray(crop(ink, ink >= FAINTEST))
    scale = WRITTEN_SIDE / max(written.size)
    size = max(1, round(written.width * scale)), max(1, round(written.height * scale))
    canvas = Image.new("L", (SIDE, SIDE))
    canvas.paste(written.resize(size, Image.Resampling.BICUBIC), ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(canvas)


def as_drawing(image: Picture) -> Drawing:
    """A square image of 28 or 280 pixels a side, ink or in colour, as a drawing that fills the canvas."""
    small = Image.fromarray(image)
    png = io.BytesIO()
    small.save(png, format="PNG")
    picture = {
        "type": "Image",
        "src": "data:image/png;base64," + base64.b64encode(png.getvalue()).decode(),
        "left": 0,
        "top": 0,
        "originX": "left",
        "originY": "top",
        "width": small.width,
        "height": small.height,
        "scaleX": SIDE / small.width,
        "scaleY": SIDE / small.height,
    }
    return Drawing(np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BILINEAR)), (picture,))
