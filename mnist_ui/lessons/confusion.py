"""The map of what a network mixes up, and how well it reads each digit."""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mnist_ui.language import _, number

NO_MISTAKE, FEWEST, MOST = "#8c96a314", "#fbe3cb", "#a34700"  # fills of a cell: none, one mistake, the most of all
RIGHT = "#bcd9f0"
DARK_INK, LIGHT_INK = "#1d2733", "#ffffff"
MOST_MIXED_UP = 3  # pairs named in words
ACCURACY_STYLE = """<style>
.each { display: grid; grid-template-columns: auto auto auto 1fr; gap: 5px 12px; align-items: center; max-width: 420px;
  font-variant-numeric: tabular-nums; font-size: .95rem; }
.each .row { display: contents; }
.each .head { font-size: .8rem; opacity: .75; }
.each .number { text-align: right; }
.each .bar { height: 11px; border-radius: 6px; background: #d9730d; min-width: 2px; }
</style>"""

Confusion = NDArray[np.int64]  # (10, 10) by [label, answer]


def confusion_chart(confusion: Confusion, label: int | None, answer: int | None) -> alt.LayerChart:
    """The confusion as a heat map that can be pressed, the cell (label, answer) marked if it is one.

    The colours tell the mistakes apart; the diagonal, a hundred times larger, has a colour of its own.
    """
    most = max(1, int((confusion - np.diag(confusion.diagonal())).max()))
    cells = pd.DataFrame([cell_row(confusion, at // 10, at % 10, most) for at in range(100)])
    start = [{"label": label, "answer": answer}] if label is not None and answer is not None else []
    pressed = alt.selection_point(name="cell", fields=["label", "answer"], on="click", clear=False, value=start)
    plain = {"domain": False, "ticks": False, "labelFlush": False, "labelOffset": 0}
    base = alt.Chart(cells).encode(
        alt.X("answer:O", title=_("answer"), axis=alt.Axis(orient="top", labelAngle=0, **plain)),
        alt.Y("label:O", title=_("written digit"), axis=alt.Axis(**plain)),
        tooltip=[
            alt.Tooltip("label:O", title=_("written digit")),
            alt.Tooltip("answer:O", title=_("answer")),
            alt.Tooltip("images:Q", title=_("images")),
        ],
    )
    squares = base.mark_rect(cornerRadius=3, stroke="#2f86c9", cursor="pointer").encode(
        color=alt.Color("fill:N", scale=None, legend=None),
        strokeWidth=alt.condition(pressed, alt.value(3), alt.value(0), empty=False),
    )
    counts = base.mark_text(fontSize=11).encode(text="words:N", color=alt.Color("ink:N", scale=None, legend=None))
    return alt.layer(squares.add_params(pressed), counts).properties(height=400)


def cell_row(confusion: Confusion, label: int, answer: int, most: int) -> dict[str, object]:
    """One cell of the map: its digits, its number of images in words, and its colours."""
    count = int(confusion[label, answer])
    fill, ink = RIGHT, DARK_INK
    if label != answer:
        share = math.sqrt(count / most)  # so that one mistake is seen beside many
        fill = blend(FEWEST, MOST, share) if count else NO_MISTAKE
        ink = LIGHT_INK if share > 0.6 else DARK_INK
    return {
        "label": label,
        "answer": answer,
        "images": count,
        "words": str(count) if count else "",
        "fill": fill,
        "ink": ink,
    }


def blend(one: str, other: str, share: float) -> str:
    """The colour "#rrggbb" that lies between two others, at `share` 0..1 of the way."""
    pairs = [(int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def mixed_up(confusion: Confusion) -> str:
    """The most frequent mistakes in words."""
    wrong = confusion - np.diag(confusion.diagonal())
    worst = [int(at) for at in np.argsort(-wrong, axis=None, kind="stable")[:MOST_MIXED_UP] if wrong.flat[at]]
    if not worst:
        return _("Nothing was misread.")
    pairs = ", ".join(
        _("{label} read as {answer} ({count:,})", label=at // 10, answer=at % 10, count=int(wrong.flat[at]))
        for at in worst
    )
    return _("Most often mixed up: {pairs}.", pairs=pairs)


def accuracy_html(confusion: Confusion) -> str:
    """A row for each digit: how many of its images were read rightly, in percent, and how many were not, as a bar."""
    counts, wrong = confusion.sum(axis=1), confusion.sum(axis=1) - confusion.diagonal()
    most = max(1, int(wrong.max()))
    heads = (_("digit"), _("read correctly"), _("misread"), "")
    rows = ['<div class="row">' + "".join(f'<span class="head">{head}</span>' for head in heads) + "</div>"]
    for digit in range(10):
        share = (counts[digit] - wrong[digit]) / counts[digit] if counts[digit] else 0.0
        rows.append(
            f'<div class="row"><b>{digit}</b><span class="number">{number(100 * share, ".2f")} %</span>'
            f'<span class="number">{number(int(wrong[digit]))}</span>'
            f'<span><div class="bar" style="width:{100 * wrong[digit] / most:.1f}%"></div></span></div>'
        )
    label = _("Accuracy by digit")
    return f'{ACCURACY_STYLE}<div class="each" role="group" aria-label="{label}">{"".join(rows)}</div>'
