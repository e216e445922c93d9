"""Why: which pixels spoke for a digit, which against it, and why it was not another one."""

from __future__ import annotations

from html import escape

import numpy as np
import streamlit as st
from torch import nn

from mnist_core.drawing import Picture
from mnist_core.lessons.attribution import METHODS, Attribution, Region, attribute
from mnist_ui import film, heat
from mnist_ui.answer import percent, place_style
from mnist_ui.choice import choose_one
from mnist_ui.language import _
from mnist_ui.lessons.subject import drawn_digit, keep_up
from mnist_ui.network import answering_network
from mnist_ui.visitor import Visitor

NAME = "why"
OPEN = -1  # no digit chosen: the most probable one, and no other one
SHOWN_SHARE = 0.97  # of the pixels that have a part in it have their colour to themselves
LEAST_CHANGE = 0.05  # of a logit; what changes less is not worth a sentence
STYLE = """<style>
.why { display: flex; gap: 14px; flex-wrap: wrap; align-items: flex-start; }
.why figure { margin: 0; flex: 2 1 240px; max-width: 340px; }
.why figure.drawn { flex: 1 1 120px; max-width: 170px; }
.why figcaption { font-size: .85rem; opacity: .85; }
.why .frame { position: relative; background: #000; border-radius: 6px; overflow: hidden; }
.why img { width: 100%; display: block; image-rendering: pixelated; }
.why .frame div { position: absolute; border: 2px solid #fff; border-radius: 4px; box-shadow: 0 0 0 2px #0009; }
.why .frame div.against { border-style: dashed; }
</style>"""


def show(visitor: Visitor) -> None:
    """The questions that can be asked, the drawing with its heat, and what was measured."""
    network = answering_network(visitor)
    if network is None:
        return
    prepared = drawn_digit(visitor, network.model)
    if prepared.is_blank:
        st.info(_("Draw a digit, or press **Example**, and see which of its pixels spoke for the answer."))
        return
    digit, rather_than, method = choose_question()
    slot = st.empty()

    def find(model: nn.Module) -> Attribution:
        return attribute(model, prepared.seen, digit, rather_than, method)

    subject = visitor.drawing, digit, rather_than, method
    found = keep_up(visitor, NAME, subject, network, find, slot)
    with slot.container():
        show_attribution(found.result, prepared.stages[-1].image, method)
    st.caption(found.network.says() + (" " + _("Of your digits this is the first.") if visitor.digits() else ""))


def choose_question() -> tuple[int | None, int | None, str]:
    """For which digit, rather than for which other one, and by which method."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        digit = choose_one(
            _("What spoke for"),
            range(OPEN, 10),
            format_func=lambda digit: _("the most probable digit") if digit == OPEN else str(digit),
            key="why_digit",
            help=_("Choose another digit to see what spoke for it and what against it."),
            width=240,
        )
        rather_than = choose_one(
            _("rather than"),
            range(OPEN, 10),
            format_func=lambda digit: _("no other digit") if digit == OPEN else str(digit),
            key="why_rather_than",
            help=_("Why not a 9? Choose 9: shown is what made the difference between the two digits."),
            width=180,
        )
    method = st.segmented_control(
        _("Method"),
        list(METHODS),
        format_func=lambda name: _(METHODS[name].name),
        default=next(iter(METHODS)),
        required=True,
        key="why_method",
        help=_("How each pixel's part is found out."),
    )
    st.caption(_(METHODS[method].about))
    return None if digit == OPEN else digit, None if rather_than == OPEN else rather_than, method


def show_attribution(found: Attribution, drawn: Picture, method: str) -> None:
    """The pictures, and beside them in sentences what they say."""
    left, right = st.columns([1.3, 1], gap="medium")
    with left:
        st.html(STYLE + pictures_html(found, drawn))
        if found.rather_than is None:
            words = _("against {digit}", digit=found.digit), _("for {digit}", digit=found.digit)
        else:
            words = _("for {digit}", digit=found.rather_than), _("for {digit}", digit=found.digit)
        st.html(heat.legend_html(*words))
    with right:
        st.markdown(question(found))
        st.caption(
            _("A logit is the network's raw score for a digit; the ten probabilities are made from the ten logits.")
        )
        st.markdown("\n".join(f"- {sentence}" for sentence in [scores(found, method), *measured(found, method)]))


def pictures_html(found: Attribution, drawn: Picture) -> str:
    """The drawing as the network takes it, and the same under its heat with the strongest regions framed."""
    scale = scale_of(found.values)
    hot = heat.heat_over(found.picture, found.values, scale)
    frames = "".join(
        f'<div class="{name}" style="{place_style(region.box, found.values.shape)}"></div>'
        for name, region in (("for", found.strongest_for), ("against", found.strongest_against))
        if region is not None and is_worth_telling(found, region)
    )
    plain, coloured = _("What the network gets"), _("What each pixel spoke for")
    return (
        f'<div class="why"><figure class="drawn"><div class="frame">{image_html(drawn, plain)}</div>'
        f"<figcaption>{plain}</figcaption></figure>"
        f'<figure><div class="frame">{image_html(hot, coloured)}{frames}</div>'
        f"<figcaption>{coloured}</figcaption></figure></div>"
    )


def scale_of(values: np.ndarray) -> float:
    """The size that gets the lightest colour: all but the largest few, which would leave the rest in the dark."""
    sizes = np.abs(values[values != 0])
    return float(np.quantile(sizes, SHOWN_SHARE)) if sizes.size else 1.0


def image_html(picture: np.ndarray, words: str) -> str:
    """A picture with its words for those who do not see it."""
    return f'<img src="{film.data_url(picture)}" alt="{escape(words)}">'


def question(found: Attribution) -> str:
    """What is answered here."""
    if found.rather_than is None:
        return _("**Why {digit}?**", digit=found.digit)
    return _("**Why {digit} rather than {other}?**", digit=found.digit, other=found.rather_than)


def scores(found: Attribution, method: str) -> str:
    """The logit, or the lead of one over another, beside that of blank paper, and what the parts add up to."""
    values = {
        "digit": found.digit,
        "other": found.rather_than,
        "score": found.score,
        "paper": found.paper_score,
        "difference": found.score - found.paper_score,
        "total": float(found.values.sum()),
    }
    if found.rather_than is None:
        words = [_("The logit of {digit} is {score:.2f}; for blank paper it is {paper:.2f}.", **values)]
    else:
        words = [
            _(
                "The logit of {digit} is {score:+.2f} above that of {other}; for blank paper that is {paper:+.2f}.",
                **values,
            )
        ]
    if METHODS[method].has_parts:
        words.append(
            _("The pixels' parts add up to {total:+.2f}, the difference to blank paper is {difference:+.2f}.", **values)
        )
    return " ".join(words)


def measured(found: Attribution, method: str) -> list[str]:
    """What became of the answer when the framed regions were blank, or full of ink: asked of the network itself."""
    adds = METHODS[method].adds_ink
    solid = _("With ink in the whole solid frame") if adds else _("Without the ink in the solid frame")
    dashed = _("With ink in the whole dashed frame") if adds else _("Without the ink in the dashed frame")
    return [
        change(found, region, where)
        for region, where in ((found.strongest_for, solid), (found.strongest_against, dashed))
        if region is not None and is_worth_telling(found, region)
    ]


def is_worth_telling(found: Attribution, region: Region) -> bool:
    """Whether something came of changing the region."""
    return abs(region.score - found.score) >= LEAST_CHANGE


def change(found: Attribution, region: Region, where: str) -> str:
    """From where to where logit and probability went when a region was changed."""
    digit, other = found.digit, found.rather_than
    before, after = (percent(float(one.probabilities[digit])) for one in (found, region))
    if other is None:
        logits = _(
            "{where} the logit of {digit} goes from {score:.2f} to {new_score:.2f}.",
            where=where,
            digit=digit,
            score=found.score,
            new_score=region.score,
        )
    else:
        logits = _(
            "{where} the lead of {digit} over {other} goes from {score:+.2f} to {new_score:+.2f}.",
            where=where,
            digit=digit,
            other=other,
            score=found.score,
            new_score=region.score,
        )
    if before == after:
        return logits + " " + _("The probability of {digit} stays {share}.", digit=digit, share=before)
    probability = _(
        "The probability of {digit} goes from {share} to {new_share}.", digit=digit, share=before, new_share=after
    )
    return logits + " " + probability
