"""The queue, in words: how many are ahead, and how long it will probably take."""

from __future__ import annotations

import streamlit as st

from mnist_core.run_queue import Wait
from mnist_core.runs import ChildRun
from mnist_ui.language import _, _n, duration
from mnist_ui.visitor import Visitor, run_queue

SOON = ROUGHLY = 5  # seconds; nobody can tell shorter times apart


def show(visitor: Visitor, run: ChildRun) -> None:
    """Where a run that waits stands, and what can be done meanwhile."""
    st.info(waiting_words(visitor, run), icon=":material/hourglass_top:")


def waiting_words(visitor: Visitor, run: ChildRun) -> str:
    """How many runs are ahead, when it will probably begin, and that the canvas answers all the same."""
    ahead = run_queue().ahead_of(run)
    if ahead is None:  # it has been called
        return sent_words(run) if run_queue().places is None else when(Wait(0))
    if visitor.is_training and run is not visitor.waiting_run:
        return _("You have one run at a time: it begins when your training has ended.")
    others = _n(
        "{count} run is ahead of yours on this server.", "{count} runs are ahead of yours on this server.", ahead
    )
    return " ".join([others, when(run_queue().wait_of(run)), _("Draw meanwhile: the answer comes at once.")])


def sent_words(run: ChildRun) -> str:
    """That a run waits on the cluster, and for how many others of this server."""
    sent = _("Sent to the cluster: it begins as soon as a worker is free.")
    if not run.ahead:
        return sent
    others = _n(
        "{count} run of this server waits there first.", "{count} runs of this server wait there first.", run.ahead
    )
    return f"{sent} {others}"


def when(wait: Wait | None) -> str:
    """When a run will begin, as far as anybody knows."""
    if wait is None:
        return _("When yours begins cannot be told yet.")
    if wait.seconds < SOON:
        return _("Yours begins in a few seconds.")
    about = duration(ROUGHLY * round(wait.seconds / ROUGHLY) if wait.seconds < 120 else 60 * round(wait.seconds / 60))
    if wait.at_most:
        return _("Yours begins in {duration} at the latest.", duration=about)
    return _("Yours begins in about {duration}.", duration=about)
