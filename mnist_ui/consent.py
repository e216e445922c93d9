"""Whether the owner of the server may keep the labelled drawings: asked once, plainly, and before anything is kept."""

from __future__ import annotations

import streamlit as st

from mnist_core.contribution import Store
from mnist_core.messages import say
from mnist_core.own_store import open_store
from mnist_core.server_settings import server_settings
from mnist_ui.language import _, _n
from mnist_ui.visitor import Visitor

QUESTION = say(
    "The owner of this server collects labelled drawings, to train networks on them. "
    "May yours be kept? Without your name; you can withdraw them during this visit."
)


@st.cache_resource(show_spinner=False)
def owners_store() -> Store:
    """The store of this server, one for all visitors."""
    path = server_settings().store
    assert path is not None
    return open_store(path)


def follow(visitor: Visitor) -> None:
    """Bring the store, where there is one, in line with what the visitor has labelled and agreed to."""
    if server_settings().store is not None:
        visitor.contribution.follow(owners_store, visitor.my_digits)


def ask(visitor: Visitor) -> None:
    """The question, as long as it has not been answered; nothing on a server that keeps nothing."""
    if server_settings().store is None or visitor.contribution.agreed is not None or not len(visitor.my_digits):
        return
    decide = visitor.contribution.decide
    with st.container(border=True, key="consent", gap="small"):
        st.markdown(_(QUESTION))
        with st.container(horizontal=True):
            st.button(_("Yes, keep mine"), key="consent_yes", on_click=decide, args=(True,))
            st.button(_("No"), key="consent_no", on_click=decide, args=(False,))


def show_state(visitor: Visitor) -> None:
    """What the visitor has said, or that they may, with the way to change it, and whether the store could follow."""
    contribution = visitor.contribution
    if server_settings().store is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if contribution.agreed or len(contribution):
            st.caption(
                _n(
                    "The owner of this server keeps {count:,} of your drawings, without your name.",
                    "The owner of this server keeps {count:,} of your drawings, without your name.",
                    len(contribution),
                ),
                width="content",
            )
        elif contribution.agreed is None:
            st.caption(_(QUESTION), width="content")
        else:
            st.caption(_("The owner of this server keeps none of your drawings."), width="content")
        if contribution.agreed:
            st.button(_("Withdraw them"), key="consent_withdraw", on_click=contribution.decide, args=(False,))
        else:
            st.button(_("Let mine be kept"), key="consent_agree", on_click=contribution.decide, args=(True,))
    if contribution.problem is not None:
        words = say(
            "The owner's collection could not be changed. {why} Your drawings here are safe.", why=contribution.problem
        )
        st.warning(_(words), icon=":material/database_off:")
        st.button(_("Try again"), key="consent_again", on_click=contribution.try_again)
