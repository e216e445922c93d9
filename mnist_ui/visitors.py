"""All who are here: whose page is being drawn, who comes back after a reload, and what happens when somebody leaves."""

from __future__ import annotations

import gc
import logging
import threading
from time import monotonic, sleep

import streamlit as st
import torch
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from mnist_core.errors import ConfigError
from mnist_core.messages import say
from mnist_core.runs import WAITING
from mnist_core.server_settings import server_settings
from mnist_ui import consent, last_words, received
from mnist_ui.browser import Tab
from mnist_ui.drawing import Drawer
from mnist_ui.given_back import close_session, give_back_memory
from mnist_ui.language import _
from mnist_ui.server_log import leave_out_closed_pages
from mnist_ui.session import DRAWER_KEY, set_widget_value, widget_value, write_settings
from mnist_ui.visitor import Visitor

LOGGER = logging.getLogger(__name__)
VISITOR_KEY = "visitor"
SEARCHES = 20  # for what has been left behind, in the time for which visitors are kept; while others are here
COLLECT_SECONDS = 10.0  # from one collection of garbage to the next, in place of Streamlit's after every script run
LEFT = say(
    "The page was away for over {seconds:,.0f} s, so the run was stopped. What it had learnt is kept: draw, and your "
    "network answers."
)
LOST_PLACE = say("The page was away for over {seconds:,.0f} s, so its place in the queue is gone. Press Train again.")


class Visitors:
    """All who are here, or were a moment ago; a thread ends the runs of those who have left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Visitor] = []
        self._somebody_has_left = False  # and what they have left behind has not been looked for
        self._collected_at = self._given_back_at = monotonic()
        threading.Thread(target=self._watch, name="visitors", daemon=True).start()

    def welcome(self, visitor: Visitor) -> None:
        """Take note of a visitor, unless they are known."""
        with self._lock:
            if visitor not in self._all:
                self._all.append(visitor)

    def come_back(self, tab: str, newcomer: Visitor) -> Visitor:
        """Whoever was in this tab before its reload, or the newcomer when nobody was."""
        for _attempt in range(20):  # the page before the reload may be a moment in going
            with self._lock:
                before = next((one for one in self._all if one.tab == tab and one is not newcomer), None)
                if before is None:
                    newcomer.tab = tab
                    return newcomer
                if before.session_id == newcomer.session_id or not is_here(before):
                    if before.session_id != newcomer.session_id:
                        close_session(before.session_id)
                    before.session_id, before.gone_since = newcomer.session_id, None
                    before.has_come_back = before.link_is_read = False
                    if newcomer in self._all:
                        self._all.remove(newcomer)
                    before.refill()
                    return before
            sleep(0.05)
        return newcomer  # a duplicated tab has its original's name: somebody else

    def _watch(self) -> None:
        while True:
            sleep(1)
            try:
                self._look_around()
            except Exception:  # whatever it is, the runs of those who leave must be ended later too
                LOGGER.exception("Looking after the visitors failed")

    def _look_around(self) -> None:
        if monotonic() - self._collected_at > COLLECT_SECONDS:
            gc.collect()
            self._collected_at = monotonic()
        is_due = monotonic() - self._given_back_at > server_settings().kept_seconds / SEARCHES
        if self._somebody_has_left and (is_due or not self._all):
            self._somebody_has_left = False
            give_back_memory()
            self._given_back_at = monotonic()
        with self._lock:
            everyone = list(self._all)
        for visitor in everyone:
            try:
                self._look_after(visitor)
            except Exception:  # one visitor's trouble must not keep the others from being looked after
                LOGGER.exception("A visitor could not be looked after")

    def _look_after(self, visitor: Visitor) -> None:
        if is_here(visitor):
            visitor.gone_since = None
            return
        visitor.gone_since = visitor.gone_since or monotonic()
        gone_seconds, settings = monotonic() - visitor.gone_since, server_settings()
        if gone_seconds > settings.grace_seconds:
            for run in visitor.runs:
                run.stop(say(LOST_PLACE if run.state == WAITING else LEFT, seconds=settings.grace_seconds))
        if gone_seconds > max(settings.kept_seconds, settings.grace_seconds):
            self._forget(visitor)

    def _forget(self, visitor: Visitor) -> None:
        """Let go of somebody who will not come back, and give their memory back."""
        visitor.contribution.try_again()  # their last word on their drawings may not have been acted upon
        consent.follow(visitor)
        if visitor.contribution.problem is not None:
            LOGGER.error("%s", visitor.contribution.problem)
        with self._lock:
            self._all.remove(visitor)
        close_session(visitor.session_id)
        self._somebody_has_left = True


def is_here(visitor: Visitor) -> bool:
    """Whether the visitor's page is connected."""
    return not runtime.exists() or runtime.get_instance().is_active_session(visitor.session_id)


@st.cache_resource(show_spinner=False)
def all_visitors() -> Visitors:
    """The one list of visitors of this server."""
    # One drawing is too little work to share out, and threads that wait for one another stand still on a busy machine.
    torch.set_num_threads(1)
    leave_out_closed_pages()
    received.bound()
    last_words.let_them_be_said()
    return Visitors()


def current_visitor(tab: Tab) -> Visitor:
    """The visitor whose page is being drawn in this browser tab; after a reload, with what they had before."""
    check_settings()
    visitor: Visitor | None = widget_value(VISITOR_KEY)
    if visitor is None:
        context = get_script_run_ctx()
        drawn = vars(widget_value(DRAWER_KEY) or Drawer())  # already, on the first page of the server
        visitor = Visitor(session_id=context.session_id if context else "", **drawn)
        set_widget_value(VISITOR_KEY, visitor)
    all_visitors().welcome(visitor)  # every time: the run in which they came may have been broken off before
    if tab.name and not visitor.has_come_back:
        # Streamlit may break off at any use of session_state and begin anew: all of this can be done twice.
        visitor = all_visitors().come_back(tab.name, visitor)
        set_widget_value(VISITOR_KEY, visitor)
        write_settings(visitor.settings)
        visitor.has_come_back = True
    visitor.refill_if_lost(tab.canvas_lost_at)
    visitor.take_turn()
    visitor.drawing_in_lesson = visitor.answerer_in_lesson = visitor.digits_in_lesson = None
    return visitor


def check_settings() -> None:
    """Show what is wrong with the server's settings, in place of a page that would not keep to them."""
    try:
        server_settings()
    except ConfigError as error:
        LOGGER.error("%s", error)
        st.error(_("This server's settings make no sense. {error}", error=error.message))
        st.stop()
