"""Layers: the network as a flow of shapes, and what a call of it does beyond its forward."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st
import torch
from torch import nn

from mnist_core import Digits, load_mnist
from mnist_core.colour import coloured
from mnist_core.lessons.readouts import Readout, balanced, fit_readouts, inputs_of, nearness
from mnist_core.lessons.tiles import tile
from mnist_core.lessons.tracing import BETWEEN, Layer, Maps, call_both_ways, follow, trace
from mnist_core.models import count_parameters, takes_colours
from mnist_core.prediction import as_input
from mnist_ui import film, heat
from mnist_ui.language import _, number
from mnist_ui.lessons import one_layer
from mnist_ui.lessons.subject import Finding, drawn_digit, keep_up
from mnist_ui.network import Network, answering_network
from mnist_ui.test_images import test_digits
from mnist_ui.visitor import SHIPPED, Visitor

NAME = "layers"
BATCH = 64
TRAIN_OF_EACH, TEST_OF_EACH = 20, 10  # images of each digit: for the averages, and to see how well they serve
IN_OVERVIEW = 8  # maps of a layer that the overview shows
Near = Sequence[tuple[np.ndarray, Readout]]  # for each stage how near each digit is (10,), and by what
STYLE = """<style>
.flow { width: 100%; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
.flow th { text-align: left; font-weight: 500; opacity: .75; font-size: .8rem; vertical-align: bottom; }
.flow th, .flow td { border: 0; border-bottom: 1px solid rgba(128, 140, 155, .25); padding: 4px 10px 4px 0; }
.flow .kind { opacity: .7; }
.flow .shape, .flow .nearest, .flow .count { white-space: nowrap; }
.flow .count { text-align: right; }
.flow .strip img { height: 26px; max-width: 190px; image-rendering: pixelated; display: block; object-fit: contain;
  object-position: left; }
.near { display: inline-flex; align-items: flex-end; gap: 2px; height: 22px; margin-right: 8px; }
.near i { width: 6px; background: #8a9bb0; border-radius: 1px; min-height: 1px; }
.near i.top { background: #2f86c9; }
@media (max-width: 640px) {
  .flow, .flow tbody { display: block; }
  .flow thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .flow tr { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 8px; padding: 6px 0;
    grid-template-areas: "strip name" "shape nearest" "parameters alone" "sums alone";
    border-bottom: 1px solid rgba(128, 140, 155, .25); }
  .flow td { border: 0; padding: 1px 0; }
  .flow .strip { grid-area: strip; }
  .flow .name { grid-area: name; text-align: right; }
  .flow .shape { grid-area: shape; }
  .flow .shape.one { display: none; }
  .flow .parameters { grid-area: parameters; }
  .flow .sums { grid-area: sums; }
  .flow .nearest { grid-area: nearest; text-align: right; }
  .flow .alone { grid-area: alone; text-align: right; }
  .flow .parameters, .flow .sums { text-align: left; font-size: .8rem; }
  .flow .count:not(:empty)::after { content: " " attr(data-unit); opacity: .7; font-size: .8rem; }
  .flow .strip img { max-width: 150px; }
}
</style>"""


def show(visitor: Visitor) -> None:
    """The flow of shapes, one layer with its maps and filters, one channel, and what a call does beyond forward."""
    network = answering_network(visitor)
    if network is None:
        return
    prepared = drawn_digit(visitor, network.model)
    slot = st.empty()
    inputs = as_input(prepared.seen[None], network.model)  # -> (1, C, H, W)
    layers = trace(network.model, inputs)
    if prepared.is_blank:
        slot.html(STYLE + flow_html(layers, shapes_of_batch(network.model), ()))
        show_totals(network, layers)
        st.info(_("Draw a digit, or press **Example**, and see what each layer makes of it."))
        return
    found = keep_up(visitor, NAME, None, network, shipped_readouts if network.name == SHIPPED else new_readouts, slot)
    slot.html(STYLE + flow_html(layers, shapes_of_batch(network.model), nearest_digits(found, network, layers, inputs)))
    show_totals(network, layers)
    explain_nearness(visitor, found)
    one_layer.show(network.model, layers)
    show_both_ways(network.model, inputs)


def nearest_digits(found: Finding, network: Network, layers: list[Layer], inputs: torch.Tensor) -> Near:
    """How near each digit is at each stage, by the network that the averages are of."""
    asked = found.network.model
    stages = layers if asked is network.model else trace(asked, inputs)
    return [(nearness(readout, stage.maps), readout) for readout, stage in zip(found.result, stages, strict=True)]


@st.cache_resource(max_entries=2, show_spinner=False)
def readout_digits(in_colour: bool) -> tuple[Digits, Digits]:
    """Some training images of each digit, for the averages, and some test images; the same for all."""
    train, test = balanced(load_mnist("train"), TRAIN_OF_EACH), balanced(test_digits(), TEST_OF_EACH)
    return (coloured(train), coloured(test)) if in_colour else (train, test)


def new_readouts(model: nn.Module) -> list[Readout]:
    """What can be read from each stage of a network alone."""
    return fit_readouts(model, *readout_digits(takes_colours(model)))


@st.cache_resource(max_entries=1, show_spinner=False)
def shipped_readouts(_model: nn.Module) -> list[Readout]:
    """What can be read from each stage of the shipped network alone, found out once for all visitors."""
    return new_readouts(_model)


def shapes_of_batch(model: nn.Module) -> list[tuple[int, ...]]:
    """The shape (64, ...) of what each stage of the network makes of a batch."""
    return shapes_by_architecture(json.dumps(model.architecture), model)


@st.cache_data(max_entries=64, show_spinner=False)
def shapes_by_architecture(architecture: str, _model: nn.Module) -> list[tuple[int, ...]]:
    """The shapes that 64 test images really take on; they depend on the architecture alone."""
    digits = test_digits().first(BATCH)
    digits = coloured(digits) if takes_colours(_model) else digits
    batch = torch.cat([images for images, _labels in inputs_of(digits, _model)])  # (64, C, H, W)
    shapes: list[tuple[int, ...]] = []
    follow(_model, batch, lambda stage: shapes.append(tuple(stage.after.shape)))
    return shapes


def flow_html(layers: list[Layer], batch: list[tuple[int, ...]], near: Near) -> str:
    """The stages as a table, a row each; for an empty `near`, when nothing was drawn, without pictures and digits."""
    heads = [_("For your drawing"), _("Layer"), _("One drawing"), _("Batch of {count}", count=BATCH)]
    heads += [_("Parameters"), _("Multiply-adds"), _("Nearest digit"), _("Read alone")]
    names = ["", "", "", "", "count", "count", "", "count"]
    head = "".join(f'<th class="{name}">{text}</th>' for name, text in zip(names, heads, strict=True))
    rows = [
        row_html(layer, shape, near[stage] if near else None)
        for stage, (layer, shape) in enumerate(zip(layers, batch, strict=True))
    ]
    return f'<table class="flow"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def row_html(layer: Layer, batch: tuple[int, ...], near: tuple[np.ndarray, Readout] | None) -> str:
    """One stage: picture, name and type, shapes, counts, nearest digits."""
    cells = [
        ("strip", "", strip_html(layer) if near else ""),
        ("name", "", f'{escape(layer.name)} <span class="kind">{escape(layer.kind)}</span>'),
        ("shape one", "", times(layer.shape[1:])),
        ("shape", "", times(batch)),
        ("count parameters", _("parameters"), number(layer.parameters) if layer.parameters else ""),
        ("count sums", _("multiply-adds"), number(layer.multiply_adds) if layer.multiply_adds else ""),
        ("nearest", "", near_html(near[0]) if near else ""),
        ("count alone", _("read alone"), _("{share:.0f} %", share=100 * near[1].accuracy) if near else ""),
    ]
    return (
        "<tr>" + "".join(f'<td class="{name}" data-unit="{unit}">{text}</td>' for name, unit, text in cells) + "</tr>"
    )


def times(shape: Sequence[int]) -> str:
    """A shape with its sides in words: (64, 10) is "64 times 10", with the sign for it."""
    return " × ".join(map(str, shape))


def strip_html(layer: Layer) -> str:
    """What the layer makes of the drawing: its first few maps, or all its numbers."""
    words = escape(_("What {layer} makes of the drawing", layer=layer.name))
    picture = heat.heat(strip(layer.maps), one_layer.scale_of(layer.maps))
    return f'<img src="{film.data_url(picture, max(picture.shape))}" alt="{words}">'


def strip(maps: Maps) -> Maps:
    """The first few maps side by side, or all numbers of a layer that has no places, about as wide."""
    return tile(maps[:IN_OVERVIEW], IN_OVERVIEW) if maps.ndim == 3 else one_layer.in_rows(maps, IN_OVERVIEW)


def near_html(near: np.ndarray) -> str:
    """Ten small bars, one a digit, and the nearest digit's name."""
    nearest = int(near.argmax())
    words = _("Nearest: {digit}", digit=nearest)
    bars = "".join(
        f'<i{" class=top" if digit == nearest else ""} style="height:{100 * float(share):.0f}%"></i>'
        for digit, share in enumerate(near)
    )
    return f'<span class="near" role="img" aria-label="{escape(words)}">{bars}</span><b>{nearest}</b>'


def show_totals(network: Network, layers: list[Layer]) -> None:
    """Which network this is, and what all its layers come to."""
    counted = _(
        "{parameters:,} parameters in all; {multiply_adds:,} multiply-adds for one drawing.",
        parameters=count_parameters(network.model),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
    )
    words = [network.says(), counted]
    if any(layer.name == BETWEEN for layer in layers):
        words.append(_("`forward()`: what the network's own code does to the shape between two layers."))
    st.caption(" ".join(words))


def explain_nearness(visitor: Visitor, found: Finding) -> None:
    """What the nearest digit is, and what is shown of a drawing with several."""
    words = [
        _(
            "**Nearest digit**: what the layer makes of your drawing, beside the average of what it makes of {count} "
            "training images of each digit. Bars for 0 to 9: the higher, the nearer.",
            count=TRAIN_OF_EACH,
        ),
        _(
            "**Read alone**: how many of {count} test images this comparison reads rightly, without any later layer.",
            count=10 * TEST_OF_EACH,
        ),
    ]
    if found.network.name != SHIPPED:
        words.append(_("Both are of step {step:,}.", step=found.network.step))
    if visitor.digits():
        words.append(_("Of your digits this is the first."))
    st.caption(" ".join(words))


def show_both_ways(model: nn.Module, inputs: torch.Tensor) -> None:
    """What `model(x)` does beyond `model.forward(x)`, counted now."""
    both = call_both_ways(model, inputs)
    st.markdown(_("**model(x)** and **model.forward(x)**"))
    st.caption(
        _(
            "`model(x)` runs `forward` and also the hooks that were registered on the network: by such hooks this page "
            "hears the layers. Called both ways just now, with your drawing:"
        )
    )
    called = _(
        "its hook ran: {count}, hooks of its layers: {layers}",
        count=both.hooks_by_call,
        layers=both.layer_hooks_by_call,
    )
    forward = _(
        "its hook ran: {count}, hooks of its layers: {layers}",
        count=both.hooks_by_forward,
        layers=both.layer_hooks_by_forward,
    )
    st.code(
        "handle = model.register_forward_hook(count)\n"
        f"model(x)          # {called}\nmodel.forward(x)  # {forward}\nhandle.remove()",
        language="python",
    )
    st.caption(
        _(
            "The logits are the same (largest difference: {difference:g}). The layers' hooks run both times, for "
            "`forward` calls each layer as `layer(x)`.",
            difference=both.largest_difference,
        )
    )
