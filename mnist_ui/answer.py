"""The answer to the drawing: the verdict, ten probabilities, and how they have changed in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from mnist_core import Prediction, Prepared, Reading, classify, prepare
from mnist_core.drawing import Picture
from mnist_core.messages import say
from mnist_core.prediction import predict_probabilities
from mnist_core.segmentation import Part, read_parts
from mnist_ui import film, was_right
from mnist_ui.language import _, _n
from mnist_ui.network import answering_network
from mnist_ui.visitor import MINE, SHIPPED, Visitor

NETWORK_NAMES = {SHIPPED: say("Shipped network"), MINE: say("My network")}
STYLE = """<style>
.verdict { font-size: 1.9rem; font-weight: 700; line-height: 1.2; min-height: 2.6rem; }
.verdict small { font-size: 1.1rem; font-weight: 500; opacity: .75; margin-left: .6rem; }
.bars { display: grid; grid-template-columns: 1.2rem 1fr 3.6rem; gap: 3px 8px; align-items: center; max-width: 560px; }
.bars .digit, .bars .percent { font-variant-numeric: tabular-nums; font-size: .95rem; }
.bars .percent { text-align: right; opacity: .8; }
.bars .track { height: 13px; border-radius: 7px; background: rgba(128, 140, 155, .18); overflow: hidden; }
.bars .bar { height: 100%; border-radius: 7px; background: #8a9bb0; transition: width .2s; }
.bars .top .bar { background: #2f86c9; }
.bars .row { display: contents; }
.bars .top { font-weight: 700; }
.parts { display: flex; flex-wrap: wrap; gap: 14px; align-items: flex-start; }
.boxes { position: relative; width: 200px; }
.boxes img { width: 100%; display: block; border-radius: 6px; background: #000; }
.boxes div { position: absolute; border: 2px solid #4fa8e8; border-radius: 4px; }
.parts .bars { flex: 1 1 180px; }
</style>"""


def show(visitor: Visitor) -> None:
    """The panel beside the canvas; while a run is going on it asks the network again twice a second."""
    st.fragment(show_answer, run_every=visitor.tick_seconds)(visitor)


def show_answer(visitor: Visitor) -> None:
    """What the answering network says about the drawing now, what it sees, and how its answer has changed."""
    if visitor.answerer_in_lesson not in (None, visitor.answered_by):
        st.rerun()  # another network answers: the lesson is to follow
    network = answering_network(visitor)
    if network is None:
        return
    picture = visitor.drawing.picture
    reading = Reading(classify(network.reader, picture), read_parts(network.reader, visitor.digits()))
    prediction = reading.whole
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        if reading.number is None:
            st.html(STYLE + verdict_html(prediction) + bars_html(prediction))
        else:
            st.html(STYLE + number_html(reading.number) + parts_html(picture, reading.parts))
        st.caption(" ".join(filter(None, [answered_by(network.name, network.step, network.file), hint(reading)])))
        choose_network(visitor)
        was_right.show(visitor, reading)
    with right:
        film.show(prediction.prepared)
        show_change(visitor, prediction)


def choose_network(visitor: Visitor) -> None:
    """A switch between the shipped network and the visitor's own, as soon as there is one."""
    if visitor.opened is None and (visitor.run is None or visitor.run.latest_step is None):
        return
    key = f"answered_by_{id(visitor.own_network)}"
    st.segmented_control(
        _("Answered by"),
        [SHIPPED, MINE],
        format_func=lambda name: _(NETWORK_NAMES[name]),
        default=visitor.answered_by,
        required=True,
        label_visibility="collapsed",
        key=key,
        on_change=lambda: visitor.choose_answerer(key),
    )


def answered_by(name: str, step: int, file: str = "") -> str:
    """Which network has answered, in words; `file` is where it comes from, if from one."""
    if name == SHIPPED:
        return _("Answered by the shipped network.")
    if file:
        return _("Answered by my network from the file `{file}`.", file=file)
    return _n("Answered by my network after {count:,} step.", "Answered by my network after {count:,} steps.", step)


def hint(reading: Reading) -> str:
    """What to do when no digit was seen."""
    refused = reading.number is None and reading.whole.digit is None and not reading.whole.prepared.is_blank
    return _("Draw a digit from 0 to 9, or several side by side.") if refused else ""


def verdict_html(prediction: Prediction) -> str:
    """The verdict in large letters: "It's a 7 97 %"."""
    if prediction.prepared.is_blank:
        return headline_html(_("Waiting for your digit"))
    note = "" if prediction.digit is None else percent(prediction.confidence)
    if len(prediction.candidates) == 1:
        digit = prediction.digit
        return headline_html(_("It's an {digit}", digit=8) if digit == 8 else _("It's a {digit}", digit=digit), note)
    words = _(prediction.verdict)
    return headline_html(words[:1].upper() + words[1:], note)


def number_html(number: str) -> str:
    """Several digits as the verdict: "It's 47 2 digits"."""
    return headline_html(_("It's {number}", number=number), _n("{count} digit", "{count} digits", len(number)))


def headline_html(words: str, note: str = "") -> str:
    """Large words, and beside them a note."""
    beside = note and f"<small>{note}</small>"
    return f'<div class="verdict" role="status">{words}{beside}</div>'


def parts_html(drawing: Picture, parts: Sequence[Part]) -> str:
    """The drawing with a box around each digit, and a bar for each with the confidence in it."""
    boxes, rows = [], []
    for part in parts:
        boxes.append(f'<div style="{place_style(part.box, drawing.shape[:2])}"></div>')
        rows.append(row_html(part.name, part.prediction.confidence, is_top=True, title=_(part.prediction.verdict)))
    alt = _("The drawing, with a box around each of its digits")
    picture = f'<img src="{film.data_url(drawing)}" alt="{alt}"/>'
    picture = f'<div class="boxes">{picture}{"".join(boxes)}</div>'
    bars = group_html(_("Confidence in each digit"), rows)
    return f'<div class="parts">{picture}{bars}</div>'


def place_style(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> str:
    """Where a box (left, top, right, bottom) lies on a picture of (height, width), in percent, as CSS."""
    (left, top, right, bottom), (height, width) = box, shape
    return (
        f"left:{100 * left / width:.1f}%;top:{100 * top / height:.1f}%;"
        f"width:{100 * (right - left) / width:.1f}%;height:{100 * (bottom - top) / height:.1f}%"
    )


def bars_html(prediction: Prediction) -> str:
    """Ten bars, one a digit, each with its probability in percent."""
    empty = prediction.digit is None
    rows = [
        row_html(str(digit), None if empty else probability, is_top=digit == prediction.digit)
        for digit, probability in enumerate(prediction.probabilities.tolist())
    ]
    return group_html(_("Probability of each digit"), rows)


def group_html(name: str, rows: Sequence[str]) -> str:
    """Bars as a group with a name for those who listen."""
    return f'<div class="bars" role="group" aria-label="{name}">{"".join(rows)}</div>'


def row_html(name: str, share: float | None, is_top: bool, title: str = "") -> str:
    """One bar with its name and its share 0..1 in percent; an empty one when there is no share to speak of."""
    explained = title and f' title="{title}"'
    return (
        f'<div class="row{" top" if is_top else ""}"><span class="digit">{name}</span><span class="track"{explained}>'
        f'<div class="bar" style="width:{100 * (share or 0):.1f}%"></div></span>'
        f'<span class="percent">{"" if share is None else percent(share)}</span></div>'
    )


def percent(share: float) -> str:
    """A share 0..1 in percent, without claiming certainty: 0.9996 is "> 99 %"."""
    if share >= 0.995:
        return _("> 99 %")
    return _("{share:.0f} %", share=100 * share)


def show_change(visitor: Visitor, prediction: Prediction) -> None:
    """How the answer of the visitor's own network to this very drawing has changed since step 0."""
    st.caption(_("How the answer changes in training"))
    if visitor.run is None or prediction.digit is None:
        st.caption(_("Draw, press **Train**, and see it here."))
        return
    if len(visitor.run.snapshots) < 2:
        return
    prepared = prepare(visitor.drawing.picture, in_colour=visitor.run.config.colour)
    steps, probabilities = answers_along(visitor, prepared)
    words = _(
        "{first} at step 0, {last} at step {step:,}.",
        first=favoured(probabilities[0]),
        last=favoured(probabilities[-1]),
        step=steps[-1],
    )
    from mnist_ui.charts import answers_chart  # see start_up

    answers_chart(steps, probabilities).show(alt=_("Answers to this drawing: {words}", words=words))
    st.caption(words)


def favoured(probabilities: NDArray[np.float32]) -> str:
    """The most probable digit with its probability: "7 (94 %)"."""
    return f"{probabilities.argmax()} ({percent(float(probabilities.max()))})"


def answers_along(visitor: Visitor, prepared: Prepared) -> tuple[list[int], NDArray[np.float32]]:
    """The answers of the run's snapshots to one drawing: steps (T,) and probabilities (T, 10)."""
    assert visitor.run is not None
    known = visitor.answers_to(prepared.seen.tobytes())
    snapshots = visitor.run.snapshots
    model = None
    for snapshot in snapshots:
        if snapshot.step not in known:
            model = visitor.run.model_at(snapshot, refill=model)
            known[snapshot.step] = predict_probabilities(model, prepared.seen)
    steps = [snapshot.step for snapshot in snapshots]
    return steps, np.stack([known[step] for step in steps])
