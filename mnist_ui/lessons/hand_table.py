"""How well the shipped network and the visitor's own read the visitor's drawings, beside MNIST's test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

import streamlit as st

from mnist_core.lessons.hand_reading import Share, read_kept, share_right
from mnist_core.lessons.mistakes import SetReading
from mnist_core.my_digits import Kept
from mnist_core.opened import OpenedNetwork
from mnist_core.runs import TrainingRun
from mnist_ui.language import _, _n, number
from mnist_ui.lessons.errors import shipped_reading
from mnist_ui.lessons.subject import LARGEST_SHARE
from mnist_ui.network import Network
from mnist_ui.visitor import MINE, SHIPPED, Visitor, shipped_model

NAME = "digits"
STYLE = """<style>
.hand { display: grid; grid-template-columns: auto auto auto; gap: 4px 24px; width: fit-content; max-width: 100%;
  align-items: baseline; font-variant-numeric: tabular-nums; margin-bottom: .6rem; }
.hand .row { display: contents; }
.hand .head { font-size: .85rem; opacity: .75; }
.hand small { opacity: .75; white-space: nowrap; }
@media (max-width: 640px) { .hand { gap: 4px 12px; font-size: .95rem; } }
</style>"""

Answers = dict[int, int | None]  # by a drawing's number: the digit that it was taken for, None for no digit


@dataclass
class Known:
    """What one network has answered.

    Attributes:
        source: the run or the file whose network it is; None for the shipped one. step: after how many steps.
        answers: to the drawings that it was shown. seconds: how long that took, finished `at`.
    """

    source: OpenedNetwork | TrainingRun | None = None
    step: int = 0
    answers: Answers = field(default_factory=dict)
    seconds: float = 0.0
    at: float = 0.0


@dataclass
class Readings:
    """The answers of the two networks to the drawings; each drawing is shown once to each of them."""

    known: dict[str, Known] = field(default_factory=dict)

    def of(self, visitor: Visitor, network: Network, kept: Sequence[Kept]) -> Answers:
        """What this network takes these drawings for.

        During a run the newest weights are asked so seldom that it takes a twentieth of the time at most.
        """
        source = visitor.own_network if network.name == MINE else None
        known = self.known.get(network.name)
        resting = known is not None and visitor.is_training and monotonic() - known.at < known.seconds / LARGEST_SHARE
        if known is None or known.source is not source or (known.step != network.step and not resting):
            known = self.known[network.name] = Known(source, network.step)
        missing = [one for one in kept if one.number not in known.answers]
        if missing:
            start = monotonic()
            known.answers |= read_kept(network.model, missing)
            known.seconds, known.at = monotonic() - start, monotonic()
        return known.answers


def awaited_reading() -> SetReading | None:
    """The shipped network's reading of the test set as long as it goes on, one for all visitors."""
    reading = shipped_reading()
    if reading.error is not None:
        shipped_reading.clear()
        reading = shipped_reading()
    if reading.answers is None:
        reading.go_on()
    return reading if reading.answers is None else None


def own_test_share(run: TrainingRun) -> float | None:
    """How much of the test set a run's network reads, 0..1; None when it was not tested with its present weights."""
    last = run.epochs[-1] if run.epochs else None
    return last.test_accuracy if last is not None and last.step == run.latest_step else None


def test_share(visitor: Visitor, name: str) -> float | None:
    """How much of the test set the shipped network or the visitor's own reads, 0..1; None when it is not known."""
    own = visitor.own_network if name == MINE else None
    if isinstance(own, TrainingRun):
        return own_test_share(own)
    answers = (shipped_reading() if own is None else own.reading).answers
    return None if answers is None else answers.right / len(answers)


def networks(visitor: Visitor) -> list[Network]:
    """The shipped network, and the visitor's own once there is one."""
    found = [Network(SHIPPED, 0, shipped_model())]
    if visitor.opened is not None:
        found.append(Network(MINE, 0, visitor.opened.model, visitor.opened.name))
    elif visitor.run is not None and visitor.run.latest is not None:
        found.append(Network(MINE, *visitor.run.latest))
    return found


def show(visitor: Visitor, readings: Readings) -> None:
    """The table, and in words what the answering network's share can and cannot say.

    A network that has learnt from drawings is judged by those alone that are held out.
    """
    kept = list(visitor.my_digits)
    rows, words = [], ""
    for network in networks(visitor):
        own = visitor.own_network if network.name == MINE else None
        answers = readings.of(visitor, network, kept)
        has_learnt_some = isinstance(own, TrainingRun) and own.beginning is not None
        share = share_right(answers, visitor.my_digits.held_out if has_learnt_some else kept)
        tested = test_share(visitor, network.name)
        name = _("Shipped network") if own is None else _("My network")
        name = _("My network, on those held out") if has_learnt_some else name
        rows.append((name, share_words(share), tested_words(tested, own)))
        if network.name == visitor.answered_by or not words:
            words = what_it_says(share, tested)
    st.html(STYLE + table_html((_("Read rightly"), _("Your drawings"), _("MNIST's test set")), rows))
    if words:
        st.markdown(words)


def table_html(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Texts of our own as a small table."""
    lines = ["".join(f'<span class="head">{head}</span>' for head in heads)]
    lines += ["".join(f"<span>{cell}</span>" for cell in cells) for cells in rows]
    return f'<div class="hand">{"".join(f"""<div class="row">{line}</div>""" for line in lines)}</div>'


def share_words(share: Share) -> str:
    """So many of so many: "7 of 9 (78 %)"."""
    if share.value is None:
        return "–"
    counts = _("{right:,} of {count:,}", right=share.right, count=share.count)
    return f"{counts} <small>({number(100 * share.value, '.0f')} %)</small>"


def tested_words(share: float | None, own: OpenedNetwork | TrainingRun | None) -> str:
    """The share of the test set in percent, or why there is none."""
    if share is not None:
        return f"{number(100 * share, '.2f')} %"
    if isinstance(own, TrainingRun):
        return _("tested after each epoch")
    reading = shipped_reading() if own is None else own.reading
    return _("being read: {share:.0f} %", share=100 * reading.share_read)


def what_it_says(share: Share, tested: float | None) -> str:
    """What lies between the two shares: chance, or the hand."""
    if share.value is None or tested is None:
        return ""
    low, high = share.likely
    values = {"share": 100 * share.value, "tested": 100 * tested, "low": 100 * low, "high": 100 * high}
    if share.value < tested:
        shares = _("Test set **{tested:.1f} %**, your hand **{share:.0f} %**: why?", **values)
    else:
        shares = _("Test set **{tested:.1f} %**, your hand **{share:.0f} %**.", **values)
    chance = _n(
        "A single drawing says next to nothing: of all that you could draw, it may read {low:.0f} % or {high:.0f} %.",
        "With {count:,} drawings chance has its part: of all that you could draw, it probably reads between "
        "{low:.0f} % and {high:.0f} % (95 % interval after Wilson, 1927).",
        share.count,
        **values,
    )
    if high < tested:
        why = _(
            "That is less than chance explains. MNIST's test digits are by the same kind of writers as those that it "
            "learnt from, clerks and students in the USA with a pen on paper; you may write otherwise, and use a mouse "
            "or a finger. Or did you label mostly what was misread?"
        )
    elif low > tested:
        why = _("That is more than chance explains: your hand is easier to read than that of MNIST's writers.")
    else:
        why = _("So the difference may be chance. Label more, also what was read rightly.")
    return f"{shares} {chance} {why}"
