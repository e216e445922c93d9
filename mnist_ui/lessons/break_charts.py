"""How right and broken are shown side by side: two functions as a diff, two runs as curves on one chart."""

from __future__ import annotations

import functools
import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from mnist_core.curves import spread, trailing_mean
from mnist_core.lessons.comparisons import BROKEN, RIGHT, Measured
from mnist_core.lessons.diffs import ADDED, REMOVED, compare_sources
from mnist_core.messages import say
from mnist_ui.charts import BLUE, MOST_SPECIFICATIONS, ORANGE, Chart, Specification, round_up, written_out
from mnist_ui.language import _

SIDE_NAMES = {RIGHT: say("right"), BROKEN: say("broken")}
MOST_POINTS = 150  # of each curve
HEIGHT = 280
RUNAWAY = 2.5  # a curve is followed up to so many times the highest value of the right one
STYLE = """<style>
.diff { font: .8rem/1.55 "Source Code Pro", ui-monospace, monospace; white-space: pre-wrap; margin: 0;
  padding: .7rem 0; border: 1px solid rgba(128, 140, 155, .35); border-radius: .6rem; }
.diff .line { display: block; padding: 0 .8rem 0 5.6rem; text-indent: -4.8rem; border-left: 4px solid transparent; }
.diff .removed { background: rgba(47, 134, 201, .16); border-color: #2f86c9; }
.diff .added { background: rgba(217, 115, 13, .18); border-color: #d9730d; }
</style>"""


def diff_html(right: Callable[..., Any], broken: Callable[..., Any]) -> str:
    """Two functions as a diff; each line bears its mark, so that the colours are not needed to read it."""
    classes = {REMOVED: "line removed", ADDED: "line added"}
    lines = "".join(
        f'<span class="{classes.get(mark, "line")}">{"−" if mark == REMOVED else mark} {html.escape(line)}</span>'
        for mark, line in compare_sources(right, broken)
    )
    return f'{STYLE}<pre class="diff">{lines}</pre>'


def curves_chart(
    curves: Mapping[str, Sequence[Measured]], x: str, y: str, of_shares: bool, noisy: bool, zoomed: bool
) -> Chart:
    """Both sides' curves so far, on axes that stay as they are while they grow.

    Args:
        curves: by side. x, y: titles of the axes. of_shares: values are 0..1, shown in percent.
        noisy: draw the mean of each point and some before it. zoomed: begin the vertical axis near the lowest value.
    """
    floor, ceiling = lowest(curves) if zoomed else 0.0, 100.0 if of_shares else highest(curves)
    names = {side: _(name) for side, name in SIDE_NAMES.items()}
    points = pd.concat([curve_points(curves[side], names[side], of_shares, noisy, ceiling) for side in (RIGHT, BROKEN)])
    steps = max((point.steps for curve in curves.values() for point in curve[:1]), default=2)
    return Chart(points, curves_specification(steps, (floor, ceiling), (names[RIGHT], names[BROKEN]), (x, y)))


@functools.lru_cache(MOST_SPECIFICATIONS)
def curves_specification(
    steps: int, bounds: tuple[float, float], names: tuple[str, str], words: tuple[str, str]
) -> Specification:
    """A solid line for the right side, a dashed one for the broken one."""
    step, value = words
    lines = alt.Chart().mark_line(strokeWidth=2.5, clip=True).encode(
        alt.X("step:Q", title=step, scale=alt.Scale(domain=[1, steps], nice=False), axis=alt.Axis(format="d")),
        alt.Y("height:Q", title=value, scale=alt.Scale(domain=list(bounds), nice=False, clamp=True)),
        alt.Color("side:N", title=None, scale=alt.Scale(domain=list(names), range=[BLUE, ORANGE]),
                  legend=alt.Legend(orient="top")),
        alt.StrokeDash("side:N", title=None, scale=alt.Scale(domain=list(names), range=[[1, 0], [6, 3]])),
        tooltip=[
            alt.Tooltip("side:N", title=" "), alt.Tooltip("step:Q", title=step), alt.Tooltip("value:N", title=value),
        ],
    )  # fmt: skip
    return written_out(lines, height=HEIGHT)


def highest(curves: Mapping[str, Sequence[Measured]]) -> float:
    """Where the vertical axis ends: a runaway curve leaves it at the top, so that the right one can be seen."""
    right = max((point.value for point in curves[RIGHT]), default=0.0)
    broken = max((point.value for point in curves[BROKEN] if math.isfinite(point.value)), default=0.0)
    if right > 0:
        broken = min(broken, RUNAWAY * right)
    return round_up(1.1 * max(right, broken)) or 1.0


def lowest(curves: Mapping[str, Sequence[Measured]]) -> float:
    """The whole tenth of shares, in percent, from which on all of them can be seen."""
    return 10.0 * math.floor(10 * min((point.value for curve in curves.values() for point in curve), default=0.0))


def curve_points(points: Sequence[Measured], name: str, of_shares: bool, noisy: bool, ceiling: float) -> pd.DataFrame:
    """A curve as a table of at most MOST_POINTS rows: the value as it was measured, and the height to draw it at."""
    values = np.array([point.value for point in points], float) * (100 if of_shares else 1)
    heights = np.nan_to_num(values, nan=ceiling, posinf=ceiling).clip(0, ceiling)
    if noisy:
        heights = trailing_mean(heights, max(1, len(heights) // 40))
    rows = [
        (points[at].step, f"{values[at]:.4g}", heights[at], name) for at in spread(len(points), MOST_POINTS).tolist()
    ]
    return pd.DataFrame(rows, columns=["step", "value", "height", "side"])
