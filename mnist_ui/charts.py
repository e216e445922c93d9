"""The charts, of at most a few hundred points each; each says in words what it shows.

Altair takes 30 ms to check and write out a chart: too long for what is drawn twice a second while its visitor draws.
So the specifications are made once and kept, and a tick sends new points only.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from mnist_core.curves import BatchCurve
from mnist_core.training import EpochDone
from mnist_ui.language import _, separators

BLUE, ORANGE = "#2f86c9", "#d9730d"
# A digit, 0 to 9, keeps its colour while others come and go; each line also bears its digit.
DIGIT_COLOURS = ["#8a8f98", "#d9730d", "#1a9a76", "#a861b5", "#c2a000"]
DIGIT_COLOURS += ["#5ab4e5", "#b5533c", "#2f86c9", "#e07ba8", "#4f9a3c"]
HEIGHT = 200
MOST_SPECIFICATIONS = 64

Specification = dict[str, Any]  # in Vega-Lite, without the points


@dataclass(frozen=True)
class Chart:
    """What to draw, and how: points as a table, and the specification that names the table's columns."""

    points: pd.DataFrame
    specification: Specification

    def show(self, alt: str, key: str | None = None) -> None:
        """Put the chart onto the page, its numbers written as the page's are; `alt` says in words what it shows."""
        decimal, thousands = separators()
        numbers = {"decimal": decimal, "thousands": thousands, "grouping": [3], "currency": ["", ""]}
        config = {**self.specification.get("config", {}), "locale": {"number": numbers}}
        st.vega_lite_chart(self.points, {**self.specification, "config": config}, alt=alt, key=key)


def loss_chart(curve: BatchCurve, last_step: int) -> Chart:
    """Loss per batch, raw and smoothed, over the steps of the whole run."""
    points = pd.DataFrame({"step": curve.steps, "batch_loss": curve.loss, "smoothed": curve.smoothed})
    highest = float(max(curve.loss[0], np.percentile(curve.loss, 95)))
    words = (_("step"), _("loss"), _("one batch"), _("smoothed"))
    return Chart(points, loss_specification(last_step, round_up(1.1 * highest), words))


def round_up(number: float) -> float:
    """The next number with two significant digits: 2.531 -> 2.6; an axis that ends there seldom changes."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 1) if number > 0 else 1.0
    return math.ceil(number / unit) * unit


@functools.lru_cache(MOST_SPECIFICATIONS)
def loss_specification(last_step: int, ceiling: float, words: tuple[str, str, str, str]) -> Specification:
    """A thin line through the batches and a thick one through their means."""
    step, loss, batch, smoothed = words
    x = alt.X("step:Q", title=step, scale=alt.Scale(domain=[0, last_step], nice=False))
    y = alt.Scale(domain=[0, ceiling], nice=False, clamp=True)
    tooltip = [
        alt.Tooltip("step:Q", title=step, format=",d"),
        alt.Tooltip("batch_loss:Q", title=batch, format=".4f"),
        alt.Tooltip("smoothed:Q", title=smoothed, format=".4f"),
    ]
    thin = alt.Chart().mark_line(color=BLUE, opacity=0.3, strokeWidth=1)
    thick = alt.Chart().mark_line(color=BLUE, strokeWidth=2.5)
    thin = thin.encode(x, alt.Y("batch_loss:Q", title=loss, scale=y), tooltip=tooltip)
    thick = thick.encode(x, alt.Y("smoothed:Q", scale=y), tooltip=tooltip)
    return written_out(thin, thick, height=HEIGHT)


def accuracy_chart(curve: BatchCurve, epochs: list[EpochDone], last_step: int) -> Chart:
    """Accuracy in training (a line) and on the test set (a point after each epoch), in percent."""
    names = _("training images"), _("test images")
    train = pd.DataFrame({"step": curve.steps, "percent": 100 * curve.accuracy, "of": names[0]})
    tested = [(epoch.step, 100 * epoch.test_accuracy) for epoch in epochs if epoch.test_accuracy is not None]
    test = pd.DataFrame(tested, columns=["step", "percent"], dtype=float).assign(of=names[1])
    # From 90 % on only the last tenth is of interest; once there, the axis stays.
    low = 90 if train["percent"].max() > 95 and not (test["percent"] < 90).any() else 0
    points = pd.concat([train[train["percent"] >= low], test]) if tested else train[train["percent"] >= low]
    return Chart(points, accuracy_specification(last_step, low, names, (_("step"), _("accuracy in %"), _("images"))))


@functools.lru_cache(MOST_SPECIFICATIONS)
def accuracy_specification(
    last_step: int, low: int, names: tuple[str, str], words: tuple[str, str, str]
) -> Specification:
    """A line for the training images, diamonds for the test images."""
    step, percent, images = words
    x = alt.X("step:Q", title=step, scale=alt.Scale(domain=[0, last_step], nice=False))
    y = alt.Y("percent:Q", title=percent, scale=alt.Scale(domain=[low, 100], clamp=True))
    color = alt.Color(
        "of:N", title=None, scale=alt.Scale(domain=list(names), range=[BLUE, ORANGE]),
        legend=alt.Legend(orient="bottom-right", labelLimit=0),
    )  # fmt: skip
    train, test = (alt.Chart().transform_filter(alt.FieldEqualPredicate(equal=name, field="of")) for name in names)
    tooltip = [
        alt.Tooltip("step:Q", title=step, format=",d"),
        alt.Tooltip("percent:Q", title=percent, format=".2f"),
        alt.Tooltip("of:N", title=images),
    ]
    line = train.mark_line(strokeWidth=2.5)
    dots = test.mark_line(point=alt.OverlayMarkDef(size=70, shape="diamond"), strokeDash=[4, 3])
    return written_out(*(layer.encode(x, y, color, tooltip=tooltip) for layer in (line, dots)), height=HEIGHT)


def answers_chart(steps: list[int], probabilities: NDArray[np.float32]) -> Chart:
    """How probable the network has found the digits that it ever favoured, over the steps: (T,) and (T, 10)."""
    favoured = sorted(set(probabilities.argmax(axis=1).tolist()), key=lambda digit: -probabilities[:, digit].sum())[:4]
    favoured = sorted({*favoured, int(probabilities[-1].argmax())})
    points = pd.DataFrame(
        [
            {"step": step, "digit": str(digit), "percent": 100 * float(row[digit]), "is_last": step == steps[-1]}
            for step, row in zip(steps, probabilities, strict=True)
            for digit in favoured
        ]
    )
    return Chart(points, answers_specification((_("step"), _("digit"), _("probability in %"))))


@functools.lru_cache(MOST_SPECIFICATIONS)
def answers_specification(words: tuple[str, str, str]) -> Specification:
    """A line for each digit, its name at the end."""
    step, digit, percent = words
    x = alt.X("step:Q", title=None, scale=alt.Scale(nice=False))
    y = alt.Y("percent:Q", title="%", scale=alt.Scale(domain=[0, 100]))
    scale = alt.Scale(domain=[str(digit) for digit in range(10)], range=DIGIT_COLOURS)
    color = alt.Color("digit:N", scale=scale, legend=None)
    tooltip = [
        alt.Tooltip("step:Q", title=step, format=",d"),
        alt.Tooltip("digit:N", title=digit),
        alt.Tooltip("percent:Q", title=percent, format=".1f"),
    ]
    lines = alt.Chart().mark_line(strokeWidth=2.5).encode(x, y, color, tooltip=tooltip)
    names = alt.Chart().transform_filter("datum.is_last").mark_text(align="left", dx=5, fontSize=14, fontWeight="bold")
    return written_out(lines, names.encode(x, y, color, text="digit:N", tooltip=tooltip), height=140)


def written_out(*layers: alt.Chart, height: int) -> Specification:
    """Charts over each other as one specification, whose points come later."""
    return alt.layer(*layers).properties(height=height).to_dict()
