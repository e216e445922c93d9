"""One layer of the network: all its maps and filters, and one channel, large."""

from __future__ import annotations

import math
from html import escape

import numpy as np
import streamlit as st
from torch import nn

from mnist_core.lessons.tiles import rows_of, tile, tile_box
from mnist_core.lessons.tracing import BETWEEN, INPUT, Layer, Maps
from mnist_core.messages import Message, say
from mnist_ui import film, heat
from mnist_ui.answer import place_style
from mnist_ui.language import _, number

MOST_TILES = 256  # maps or filters in one picture
ONE_ROW = 16  # numbers that are shown side by side
NUMBERS_ASPECT = 4
MAP_PIXELS, NUMBER_PIXELS, LARGE_PIXELS = 88, 36, 220  # how wide a map, a number and a single picture are at most
FEW_CHANNELS = 3  # of the images that a filter looks at, for all filters to be shown together
STYLE = """<style>
.maps { position: relative; width: 100%; margin-bottom: 2px; }
.maps img { width: 100%; display: block; image-rendering: pixelated; }
.maps div { position: absolute; outline: 2px solid #1a9a76; box-shadow: 0 0 0 3px #fff; border-radius: 1px; }
</style>"""

WHAT_THEY_DO: dict[str, Message] = {
    "Conv2d": say("Slides each of its filters over the picture and writes down, place by place, how well it fits."),
    "Linear": say("Adds up all the numbers that come in, each times a weight of its own; once for every output."),
    "BatchNorm2d": say(
        "Brings each channel to mean 0 and deviation 1, as measured in training, "
        "then stretches and shifts it by two numbers that it learnt."
    ),
    "MaxPool2d": say("Keeps the largest of every 2 × 2 numbers: the picture gets half as wide and half as high."),
    "Flatten": say("Writes all the numbers one behind the other; none of them changes."),
    "Dropout": say("Drops some numbers at random in training. Now that it answers, it lets everything through."),
    "ReLU": say("Sets every number below zero to zero."),
    "LeakyReLU": say("Makes every number below zero a hundred times smaller."),
    "GELU": say("Lets large numbers through and fades those around and below zero out, smoothly."),
    "SiLU": say("Lets large numbers through and fades those around and below zero out, smoothly."),
    "Tanh": say("Bends every number into the range from −1 to 1."),
    "Sigmoid": say("Bends every number into the range from 0 to 1."),
}
WHAT_IS_NO_LAYER: dict[str, Message] = {
    INPUT: say("What the network gets: your drawing, shifted and stretched so that MNIST has mean 0 and deviation 1."),
    BETWEEN: say("Here the network's own code brings the numbers into another shape, without a layer."),
}


def show(model: nn.Module, layers: list[Layer]) -> None:
    """The choice of a layer, its maps and filters, and the choice of a channel."""
    st.html(STYLE)
    kind = f"{model.architecture['model']}_{len(layers)}"  # another network, another choice
    first = next((at for at, layer in enumerate(layers) if layer.filters is not None), 0)
    at = st.selectbox(
        _("Look into a layer"),
        range(len(layers)),
        index=first,
        format_func=lambda at: f"{layers[at].name} {layers[at].kind}".strip(),
        key=f"layers_layer_{kind}",
        width=360,
    )
    layer = layers[at]
    words = WHAT_THEY_DO.get(layer.kind) or WHAT_IS_NO_LAYER.get(layer.name)
    if words:
        st.caption(_(words))
    left, right = st.columns([1.6, 1], gap="medium")
    with right:
        channel = choose_channel(layer, f"layers_channel_{kind}_{at}")
        show_channel(layer, channel)
    with left:
        show_maps(layer, channel)
        show_filters(layer, channel)


def choose_channel(layer: Layer, key: str) -> int:
    """The number of the channel, or of the single number, that is looked at."""
    count = len(layer.maps)
    if count == 1:
        return 0
    label = _("Channel") if layer.maps.ndim == 3 else _("Output")
    return int(st.number_input(f"{label} (0 – {count - 1})", 0, count - 1, 0, key=key, width=200))


def show_maps(layer: Layer, channel: int) -> None:
    """All that the layer makes of the drawing in one picture, the chosen channel framed."""
    maps, scale = layer.maps, scale_of(layer.maps)
    if maps.ndim == 3:
        columns = columns_for(len(maps))
        st.caption(
            _(
                "What it makes of your drawing: {count} channels of {height} × {width}.",
                count=len(maps),
                height=maps.shape[1],
                width=maps.shape[2],
            )
        )
        picture = tile(maps[:MOST_TILES], columns)
        box = tile_box(channel, columns, maps.shape[1:])
        widest = min(columns, len(maps)) * MAP_PIXELS
    else:
        columns = columns_of(len(maps), NUMBERS_ASPECT)
        st.caption(_("What it makes of your drawing: {count} numbers.", count=len(maps)))
        picture = rows_of(maps, columns)
        row, column = divmod(channel, columns)
        box = column, row, column + 1, row + 1
        widest = columns * NUMBER_PIXELS
    words = _("What {layer} makes of the drawing", layer=layer.name)
    st.html(picture_html(picture, scale, widest, words, box))
    st.html(heat.legend_html(number(-scale, ".2f"), number(scale, ".2f")))


def show_filters(layer: Layer, channel: int) -> None:
    """All filters in one picture, where they look at the drawing itself; the chosen one framed."""
    filters = layer.filters
    if filters is None or filters.ndim != 4 or filters.shape[1] > FEW_CHANNELS:
        return
    count, channels, height, width = filters.shape
    beside = filters.transpose(0, 2, 1, 3).reshape(count, height, channels * width)  # (K, C, h, w) -> (K, h, C w)
    columns = columns_for(count)
    st.caption(
        _(
            "Its filters, one for each channel: {count} of {height} × {width} weights.",
            count=count,
            height=height,
            width=channels * width,
        )
    )
    box = tile_box(channel, columns, beside.shape[1:]) if channel < MOST_TILES else None
    st.html(
        picture_html(
            tile(beside[:MOST_TILES], columns),
            scale_of(beside),
            min(columns, count) * MAP_PIXELS,
            _("The filters of {layer}", layer=layer.name),
            box,
        )
    )


def show_channel(layer: Layer, channel: int) -> None:
    """One channel, large, with its values, and the filter that it comes from."""
    values = layer.maps[channel]
    if values.ndim == 2:
        words = _(
            "Channel {channel}: from {low:.2f} to {high:.2f}; {share:.0f} % of it is above zero.",
            channel=channel,
            low=float(values.min()),
            high=float(values.max()),
            share=100 * float((values > 0).mean()),
        )
        st.html(picture_html(values, scale_of(layer.maps), LARGE_PIXELS, words))
    else:
        words = _("Output {channel}: {value:.2f}.", channel=channel, value=float(values))
    st.caption(words)
    if layer.filters is None:
        return
    weights = layer.filters[channel]
    words = _(
        "Its filter: {count:,} weights from {low:.3f} to {high:.3f}. "
        "The orange ones raise what comes out, the blue ones lower it.",
        count=weights.size,
        low=float(weights.min()),
        high=float(weights.max()),
    )
    picture = tile(weights[:MOST_TILES], columns_for(len(weights))) if weights.ndim == 3 else in_rows(weights, 1)
    st.html(picture_html(picture, scale_of(weights), LARGE_PIXELS, words))
    st.caption(words)


def in_rows(numbers: Maps, aspect: int) -> Maps:
    """Numbers that have no places as a picture about so many times as wide as high."""
    return rows_of(numbers, columns_of(len(numbers), aspect))


def columns_of(count: int, aspect: int) -> int:
    """How many numbers lie side by side in a picture about so many times as wide as high; few lie in one row."""
    return count if count <= ONE_ROW else math.ceil(math.sqrt(aspect * count))


def columns_for(count: int) -> int:
    """How many maps lie side by side."""
    return 16 if count > 32 else 8


def scale_of(numbers: Maps) -> float:
    """The size of the largest number; black, zero, is in the middle."""
    return float(np.abs(numbers).max())


def picture_html(
    values: Maps, scale: float, widest: int, words: str, box: tuple[int, int, int, int] | None = None
) -> str:
    """Numbers as colours, as wide as there is room but at most so many pixels, with a frame around a box of them."""
    longest = max(values.shape)
    frame = "" if box is None else f'<div style="{place_style(box, values.shape)}"></div>'
    image = f'<img src="{film.data_url(heat.heat(values, scale), longest)}" alt="{escape(words)}">'
    return f'<div class="maps" style="max-width:{widest}px">{image}{frame}</div>'
