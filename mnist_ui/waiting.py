"""The queue, in words: how many are ahead, and how long it will probably take."""

from __future__ import annotations

import streamlit as st

from mnist_core.runs import ChildRun
from mnist_ui.language import _, _n
from mnist_ui.visitor import Visitor, run_queue

SOON = 5.0  # seconds; nobody can tell shorter times apart


def show(visitor: Visitor, run: ChildRun) -> None:
    """Where a run that waits stands, and what can be done meanwhile."""
    st.info(waiting_words(visitor, run), icon=":material/hourglass_top:")


def waiting_words(visitor: Visitor, run: ChildRun) -> str:
    """How many runs are ahead, when it will probably begin, and that the canvas answers all the same."""
    ahead = run_queue().ahead_of(run)
    if ahead is None:
        return _("Sent to the cluster: it begins as soon as a worker is free.")
    if visitor.is_training and run is not visitor.waiting_run:
        return _("You have one run at a time: it begins when your training has ended.")
    others = _n(
        "{count} run is ahead of yours on this server.", "{count} runs are ahead of yours on this server.", ahead
    )
    return " ".join([others, when(run_queue().seconds_to_wait(run)), _("Draw meanwhile: the answer comes at once.")])


def when(seconds: float | None) -> str:
    """When a run will begin, as far as anybody knows."""
    if seconds is None:
        return _("When yours begins cannot be told yet.")
    if seconds < SOON:
        return _("Yours begins in a few seconds.")
    minutes, rest = divmod(5 * round(seconds / 5), 60)
    if minutes >= 2:
        return _("Yours begins in about {minutes} min.", minutes=minutes + round(rest / 60))
    return _("Yours begins in about {seconds} s.", seconds=60 * minutes + rest)
