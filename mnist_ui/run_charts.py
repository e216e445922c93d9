"""The curves of several runs over each other, each in its own colour and stroke."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from mnist_core.curves import MOST_POINTS, Numbers, spread
from mnist_core.summaries import RunSummary
from mnist_ui.charts import HEIGHT, MOST_SPECIFICATIONS, Chart, Specification, round_up, written_out
from mnist_ui.language import _

# Told apart by people of any colour vision: five colours, and five more that are dashed.
COLOURS = ("#2f86c9", "#d9730d", "#1a9a76", "#a861b5", "#c2a000")
COLOURS += ("#5ab4e5", "#b5533c", "#e07ba8", "#4f9a3c", "#8a8f98")
SOLID, DASHED = [1, 0], [5, 3]
FLOORS = (98, 95, 90, 80, 50)  # where an axis of percent may begin
STEPS, SECONDS = "steps", "seconds"


@dataclass(frozen=True)
class Line:
    """A run as it is drawn: its name, the number of its colour, and what is known of it."""

    name: str
    colour: int
    summary: RunSummary


def is_dashed(colour: int) -> bool:
    """Whether the line of this colour's number is broken."""
    return colour >= len(COLOURS) // 2


def accuracies_chart(lines: Sequence[Line], along: str) -> Chart:
    """The test accuracy after each epoch in percent, over steps or seconds."""
    curves = []
    for line in lines:
        tested = [at for at, epoch in enumerate(line.summary.epochs) if epoch.test_accuracy is not None]
        xs = line.summary.seconds_of_epochs if along == SECONDS else line.summary.steps_of_epochs
        ys = np.array([100 * (line.summary.epochs[at].test_accuracy or 0) for at in tested], float)
        curves.append((line, xs[tested], ys))
    lowest = min((float(ys.min()) for _line, _xs, ys in curves if len(ys)), default=0.0)
    floor = next((floor for floor in FLOORS if floor <= lowest), 0)
    return curves_chart(curves, along, (_("accuracy in %"), ".2f"), (floor, 100), with_points=True)


def losses_chart(lines: Sequence[Line], along: str) -> Chart:
    """The smoothed training loss over steps or seconds."""
    curves = []
    for line in lines:
        xs = line.summary.seconds if along == SECONDS else line.summary.steps
        curves.append((line, xs, line.summary.loss))
    losses = np.concatenate([ys for _line, _xs, ys in curves])
    ceiling = round_up(1.1 * float(np.percentile(losses, 95))) if len(losses) else 1.0
    return curves_chart(curves, along, (_("loss"), ".4f"), (0, ceiling))


def curves_chart(
    curves: Sequence[tuple[Line, Numbers, Numbers]],
    along: str,
    y: tuple[str, str],
    domain: tuple[float, float],
    with_points: bool = False,
) -> Chart:
    """Curves (x, y) of at most MOST_POINTS points over all, with one legend for colour and stroke.

    Args:
        y: what is drawn upwards, and the format of its numbers. domain: from where to where.
    """
    tables = []
    for line, xs, ys in curves:
        chosen = spread(len(xs), MOST_POINTS // len(curves))
        tables.append(pd.DataFrame({"x": xs[chosen], "y": ys[chosen]}, dtype=float).assign(run=line.name))
    looks = tuple((line.name, line.colour) for line, _xs, _ys in curves)
    if along == SECONDS:
        x, last = _("seconds of training"), round_up(max(line.summary.training_seconds for line, _xs, _ys in curves))
    else:
        x, last = _("step"), max(line.summary.last_step for line, _xs, _ys in curves)
    words = _("run"), x, *y
    return Chart(pd.concat(tables), curves_specification(looks, words, last, domain, with_points))


@functools.lru_cache(MOST_SPECIFICATIONS)
def curves_specification(
    looks: tuple[tuple[str, int], ...],
    words: tuple[str, str, str, str],
    last: float,
    domain: tuple[float, float],
    with_points: bool,
) -> Specification:
    """A line for each run.

    Args:
        looks: names and colours. words: what a run, x and y are called, the format of y. last: where x ends.
    """
    run, x_title, y_title, precision = words
    names = [name for name, _colour in looks]
    legend = alt.Legend(orient="bottom", columns=2, labelLimit=170, symbolType="stroke", symbolStrokeWidth=3)
    colours = alt.Scale(domain=names, range=[COLOURS[colour] for _name, colour in looks])
    strokes = alt.Scale(domain=names, range=[DASHED if is_dashed(colour) else SOLID for _name, colour in looks])
    lines = alt.Chart().mark_line(
        strokeWidth=2.5, point=alt.OverlayMarkDef(size=45, filled=True, strokeDash=SOLID) if with_points else False
    ).encode(
        alt.X("x:Q", title=x_title, scale=alt.Scale(domain=[0, last], nice=False)),
        alt.Y("y:Q", title=y_title, scale=alt.Scale(domain=list(domain), nice=False, clamp=True)),
        alt.Color("run:N", title=None, scale=colours, legend=legend),
        alt.StrokeDash("run:N", title=None, scale=strokes, legend=legend),
        tooltip=[
            alt.Tooltip("run:N", title=run),
            alt.Tooltip("x:Q", title=x_title, format=",.6~r"),
            alt.Tooltip("y:Q", title=y_title, format=precision),
        ],
    )  # fmt: skip
    return written_out(lines, height=HEIGHT + 40 + 20 * ((len(looks) - 1) // 2))
