"""The film strip: how a drawing on the canvas becomes what the network sees."""

from __future__ import annotations

import base64
import io

import streamlit as st
from PIL import Image
from torch import Tensor

from mnist_core import Prepared
from mnist_core.drawing import COLOUR_STAGE_NAMES, STAGE_NAMES, Picture
from mnist_core.messages import Message
from mnist_ui.language import _

STYLE = """<style>
.film { display: flex; gap: 10px; }
.film figure { margin: 0; text-align: center; font-size: .8rem; opacity: .9; flex: 0 1 64px; min-width: 0; }
.film .frame { aspect-ratio: 1; border-radius: 6px; background: #000; border: 1px solid rgba(128, 140, 155, .45);
  overflow: hidden; margin-bottom: 2px; }
.film img { width: 100%; height: 100%; object-fit: contain; image-rendering: pixelated; display: block; }
</style>"""


def show(prepared: Prepared) -> None:
    """The stages of a drawing; empty frames as long as there is none, so that nothing moves when there is."""
    st.caption(_("What the network gets to see"))
    st.html(STYLE + film_html(prepared))


def film_html(prepared: Prepared) -> str:
    """The stages from drawing to 28 x 28, or to 32 x 32 in colour, as a strip of pictures."""
    names = STAGE_NAMES if prepared.colours is None else COLOUR_STAGE_NAMES
    pictures = [""] * len(names) if prepared.is_blank else [data_url(stage.image) for stage in prepared.stages]
    frames = "".join(
        f'<figure><div class="frame">{picture_html(number, name, picture)}</div><figcaption>{_(name)}</figcaption>'
        "</figure>"
        for number, (name, picture) in enumerate(zip(names, pictures, strict=True), start=1)
    )
    return f'<div class="film">{frames}</div>'


def picture_html(number: int, name: Message, picture: str) -> str:
    """One stage as a picture, or nothing while there is none."""
    alt = _("The drawing, stage {number}: {name}", number=number, name=name)
    return picture and f'<img src="{picture}" alt="{alt}">'


def data_url(image: Picture, largest: int = 140) -> str:
    """A picture (H, W), (H, W, 3) or (H, W, 4) uint8 as a data URL, at most `largest` pixels a side."""
    picture = Image.fromarray(image)
    picture.thumbnail((largest, largest))
    png = io.BytesIO()
    picture.save(png, format="PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def picture_of(image: Tensor) -> Picture:
    """An image of a set as a picture: (1, H, W) uint8 -> (H, W), and (3, H, W) -> (H, W, 3)."""
    pixels = image.permute(1, 2, 0).numpy()
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels
