"""Learn my hand: the network that answers goes on learning from the visitor's drawings; before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from mnist_core.errors import ConfigError
from mnist_core.fine_tuning import MNIST_IMAGES
from mnist_core.lessons.hand_reading import share_right
from mnist_core.messages import Message, say
from mnist_core.my_digits import Kept
from mnist_core.runs import DONE, FAILED, STOPPED, TrainingRun
from mnist_ui import waiting
from mnist_ui.language import _, number
from mnist_ui.lessons.hand_table import (
    STYLE,
    Answers,
    Readings,
    networks,
    own_test_share,
    share_words,
    table_html,
    test_share,
)
from mnist_ui.network import Network
from mnist_ui.progress import progress_words
from mnist_ui.visitor import MINE, SHIPPED, Visitor

NOTE = "learn_hand"
FEWEST = 5  # drawings to learn from; of fewer, a network learns the drawings and not the hand


@dataclass(eq=False)
class Learning:
    """The last run that learnt the visitor's hand.

    Attributes:
        base: SHIPPED or MINE, what it went on from.
        before, after: the answers before the run and, as far as it has come, of its network.
        tested_before, tested_after: shares of the test set, 0..1; None when it was not, or not yet, tested.
    """

    run: TrainingRun
    base: str
    before: Answers
    tested_before: float | None
    after: Answers
    tested_after: float | None = None


def show(visitor: Visitor, readings: Readings) -> None:
    """The button with what it needs, and the last such run with its before and after."""
    st.markdown(_("**Learn my hand**"))
    learning: Learning | None = visitor.notes.get(NOTE)
    if learning is not None and learning.run is visitor.waiting_run:
        waiting.show(visitor, learning.run)
        return
    if learning is None or learning.run.is_over:
        offer(visitor, readings)
    # One that was stopped before its first step, as in the queue, has nothing to show.
    if learning is not None and (learning.run.history or learning.run.state != STOPPED):
        follow(visitor, readings, learning)
        show_state(learning.run)
        show_before_and_after(visitor, learning)


def offer(visitor: Visitor, readings: Readings) -> None:
    """What the run would do, or what is missing for it, and the button."""
    learnt, held_out = len(visitor.my_digits.learnt), len(visitor.my_digits.held_out)
    ready = learnt >= FEWEST and held_out > 0
    if ready:
        words = _(
            "The network that answers goes on learning for a few seconds: from {learnt:,} of your drawings, each "
            "warped in many ways, among {mnist:,} images of MNIST, so that it forgets little. {held_out:,} are held "
            "out: it never learns from them, and is tested with them before and after.",
            learnt=learnt,
            held_out=held_out,
            mnist=MNIST_IMAGES,
        )
    else:
        words = _(
            "Label at least {fewest} drawings to learn from and one to be tested with: of each digit, the second, the "
            "fifth, the eighth ... is held out. So far there are {learnt:,} and {held_out:,}.",
            fewest=FEWEST,
            learnt=learnt,
            held_out=held_out,
        )
    st.caption(words)
    pressed = st.button(
        _("Learn my hand"),
        type="primary",
        icon=":material/school:",
        key="learn_hand",
        disabled=not ready or bool(visitor.following),
    )
    if pressed and ready and not visitor.following:  # whatever a forged message says
        begin(visitor, readings)


def begin(visitor: Visitor, readings: Readings) -> None:
    """Let the run begin, or wait for its turn; whoever reads the page sees it where all runs are."""
    name, step, model = visitor.answering_model()
    before = dict(readings.of(visitor, Network(name, step, model), list(visitor.my_digits)))
    tested = test_share(visitor, name)
    try:
        run = visitor.learn_hand()
    except ConfigError as error:
        st.warning(_(error.message), icon=":material/block:")
        return
    visitor.notes[NOTE] = Learning(run, name, before, tested, after={})
    st.rerun()


def follow(visitor: Visitor, readings: Readings, learning: Learning) -> None:
    """Take note of what the run's network answers now, as long as it is the present run."""
    if learning.run is not visitor.own_network:
        return
    own = [network for network in networks(visitor) if network.name == MINE]
    if own:
        learning.after = dict(readings.of(visitor, own[0], list(visitor.my_digits)))
    learning.tested_after = own_test_share(learning.run)
    if learning.base == SHIPPED and learning.tested_before is None:
        learning.tested_before = test_share(visitor, SHIPPED)


def show_state(run: TrainingRun) -> None:
    """How far the run is, with the way to end it, or how it has ended."""
    if not run.is_over:
        st.progress(run.progress, text=progress_words(run))
        st.button(_("Stop"), icon=":material/stop:", key="learn_hand_stop", on_click=run.stop)
    elif run.state == FAILED:
        st.error(_(run.error or say("The training failed.")), icon=":material/error:")
    elif run.state == STOPPED:
        st.info(_(run.stopped_because or say("Stopped before its end.")), icon=":material/stop_circle:")


def show_before_and_after(visitor: Visitor, learning: Learning) -> None:
    """Both shares of the drawings held out, of those learnt from, and of the test set; and what came of it in words."""
    digits = visitor.my_digits
    held_out = [kept for kept in digits.held_out if kept.number in learning.before]
    learnt = [kept for kept in digits.learnt if kept.number in learning.before]
    rows = [
        (_("held out, never learnt from"), *both(learning, held_out)),
        (_("learnt from"), *both(learning, learnt)),
        (_("MNIST's test set"), percent(learning.tested_before), percent(learning.tested_after)),
    ]
    st.html(STYLE + table_html((_("Your drawings"), _("Before"), _("After")), rows))
    if learning.run.state == DONE and held_out:
        st.markdown(_(what_came_of_it(learning, held_out)))


def both(learning: Learning, kept: Sequence[Kept]) -> tuple[str, str]:
    """How many of these drawings were read rightly before and after."""
    return share_words(share_right(learning.before, kept)), share_words(share_right(learning.after, kept))


def percent(share: float | None) -> str:
    """A share of the test set in percent; a dash when it was not tested."""
    return "–" if share is None else f"{number(100 * share, '.2f')} %"


def what_came_of_it(learning: Learning, held_out: Sequence[Kept]) -> Message:
    """Whether the hand is read better than before, in words that promise no more than the drawings say."""
    before, after = share_right(learning.before, held_out), share_right(learning.after, held_out)
    if after.right > before.right:
        return say(
            "It reads {more:,} more of the drawings that it never saw. Draw: it answers now. Only these tell whether "
            "it has learnt your hand; those that it learnt from it may know by heart.",
            more=after.right - before.right,
        )
    if after.right == before.right:
        return say(
            "It reads as many of the drawings that it never saw as before: there was little to learn, or too little "
            "to learn from."
        )
    return say(
        "It reads {fewer:,} fewer of the drawings that it never saw: with so few, that may be chance. The shipped "
        "network is still there; choose under the answer which one answers.",
        fewer=before.right - after.right,
    )
