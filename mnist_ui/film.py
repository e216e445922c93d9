"""The film strip: how a drawing on the canvas becomes what the network sees."""

from __future__ import annotations

import base64
import io

import streamlit as st
from PIL import Image

from mnist_core import Prepared, prepare
from mnist_core.drawing import Ink

STYLE = """<style>
.film { display: flex; flex-wrap: wrap; gap: 14px; align-items: center; }
.film span { font-size: .88rem; opacity: .7; max-width: 8.5rem; }
.film figure { margin: 0; text-align: center; font-size: .8rem; opacity: .9; }
.film img { height: 58px; max-width: 90px; object-fit: contain; image-rendering: pixelated; border-radius: 6px;
  background: #000; border: 1px solid rgba(128, 140, 155, .45); display: block; margin: 0 auto 2px; }
</style>"""


def show(ink: Ink) -> None:
    """The stages of a drawing; nothing as long as there is none."""
    prepared = prepare(ink)
    if not prepared.is_blank:
        st.html(STYLE + film_html(prepared))


def film_html(prepared: Prepared) -> str:
    """The stages from drawing to 28 x 28 as a strip of pictures."""
    frames = [
        f'<figure><img src="{data_url(stage.image)}" alt="The drawing, stage {number}: {stage.name}">'
        f"<figcaption>{stage.name}</figcaption></figure>"
        for number, stage in enumerate(prepared.stages, start=1)
    ]
    return f'<div class="film"><span>What the network gets to see:</span>{"".join(frames)}</div>'


def data_url(image: Ink) -> str:
    """A picture (H, W) uint8 as a data URL, at most 140 pixels a side."""
    picture = Image.fromarray(image)
    picture.thumbnail((140, 140))
    png = io.BytesIO()
    picture.save(png, format="PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
