"""The charts, drawn with Altair from at most a few hundred points; each says in words what it shows."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mnist_core.curves import BatchCurve
from mnist_core.training import EpochDone
from mnist_ui.language import _

BLUE, ORANGE = "#2f86c9", "#d9730d"
# A digit, 0 to 9, keeps its colour while others come and go; each line also bears its digit.
DIGIT_COLOURS = ["#8a8f98", "#d9730d", "#1a9a76", "#a861b5", "#c2a000"]
DIGIT_COLOURS += ["#5ab4e5", "#b5533c", "#2f86c9", "#e07ba8", "#4f9a3c"]
HEIGHT = 200


def loss_chart(curve: BatchCurve, last_step: int) -> alt.Chart:
    """Loss per batch, raw and smoothed, over the steps of the whole run."""
    points = pd.DataFrame({"step": curve.steps, "batch": curve.loss, "smoothed": curve.smoothed})
    x = alt.X("step:Q", title=_("step"), scale=alt.Scale(domain=[0, last_step], nice=False))
    ceiling = 1.1 * float(max(curve.loss[0], np.percentile(curve.loss, 95)))
    y = alt.Scale(domain=[0, ceiling], clamp=True)
    raw = alt.Chart(points).mark_line(color=BLUE, opacity=0.3, strokeWidth=1).encode(
        x,
        alt.Y("batch:Q", title=_("loss"), scale=y),
        tooltip=[
            alt.Tooltip("step:Q", title=_("step")),
            alt.Tooltip("batch:Q", title=_("one batch"), format=".4f"),
            alt.Tooltip("smoothed:Q", title=_("smoothed"), format=".4f"),
        ],
    )  # fmt: skip
    smoothed = alt.Chart(points).mark_line(color=BLUE, strokeWidth=2.5).encode(x, alt.Y("smoothed:Q", scale=y))
    return (raw + smoothed).properties(height=HEIGHT)


def accuracy_chart(curve: BatchCurve, epochs: list[EpochDone], last_step: int) -> alt.Chart:
    """Accuracy in training (a line) and on the test set (a point after each epoch), in percent."""
    train = pd.DataFrame({"step": curve.steps, "percent": 100 * curve.accuracy, "of": _("training images")})
    tested = [epoch for epoch in epochs if epoch.test_accuracy is not None]
    test = pd.DataFrame(
        {
            "step": [epoch.step for epoch in tested],
            "percent": [100 * (epoch.test_accuracy or 0) for epoch in tested],
            "of": _("test images"),
        }
    )
    # From 90 % on only the last tenth is of interest; once there, the axis stays.
    low = 90 if train["percent"].max() > 95 and not (test["percent"] < 90).any() else 0
    train = train[train["percent"] >= low]
    x = alt.X("step:Q", title=_("step"), scale=alt.Scale(domain=[0, last_step], nice=False))
    y = alt.Y("percent:Q", title=_("accuracy in %"), scale=alt.Scale(domain=[low, 100], clamp=True))
    color = alt.Color(
        "of:N", title=None, scale=alt.Scale(domain=[_("training images"), _("test images")], range=[BLUE, ORANGE]),
        legend=alt.Legend(orient="bottom-right"),
    )  # fmt: skip
    line = alt.Chart(train).mark_line(strokeWidth=2.5).encode(x, y, color)
    dots = alt.Chart(test).mark_line(point=alt.OverlayMarkDef(size=70, shape="diamond"), strokeDash=[4, 3]).encode(
        x, y, color, tooltip=[
            alt.Tooltip("step:Q", title=_("step")),
            alt.Tooltip("percent:Q", title=_("accuracy in %"), format=".2f"),
        ],
    )  # fmt: skip
    return (line + dots).properties(height=HEIGHT)


def answers_chart(steps: list[int], probabilities: NDArray[np.float32]) -> alt.Chart:
    """How probable the network has found the digits that it ever favoured, over the steps: (T,) and (T, 10)."""
    favoured = sorted(set(probabilities.argmax(axis=1).tolist()), key=lambda digit: -probabilities[:, digit].sum())[:4]
    favoured = sorted({*favoured, int(probabilities[-1].argmax())})
    points = pd.DataFrame(
        [
            {"step": step, "digit": str(digit), "percent": 100 * float(row[digit])}
            for step, row in zip(steps, probabilities, strict=True)
            for digit in favoured
        ]
    )
    scale = alt.Scale(domain=[str(digit) for digit in range(10)], range=DIGIT_COLOURS)
    last = points.groupby("digit", sort=False).tail(1)
    x = alt.X("step:Q", title=None, scale=alt.Scale(nice=False))
    y = alt.Y("percent:Q", title="%", scale=alt.Scale(domain=[0, 100]))
    color = alt.Color("digit:N", scale=scale, legend=None)
    lines = alt.Chart(points).mark_line(strokeWidth=2.5).encode(x, y, color)
    names = alt.Chart(last).mark_text(align="left", dx=5, fontSize=14, fontWeight="bold")
    return (lines + names.encode(x, y, color, text="digit")).properties(height=140)
