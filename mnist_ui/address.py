"""The page's address holds the settings: a link is read when the page is opened, and the address follows what changes.

So a teacher sets the page up, sends its address, and the class sees the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from mnist_core import TrainConfig
from mnist_core.devices import available_devices
from mnist_core.limits import allowed
from mnist_core.links import read_query, write_query
from mnist_core.queries import Mended, Query, choice
from mnist_core.server_settings import server_settings
from mnist_ui.language import ENGLISH, LANGUAGE, _, browser_language, current_language, languages
from mnist_ui.session import SETTING, read_settings, set_widget_value, widget_value, write_settings
from mnist_ui.sidebar import option_settings, recipe_settings
from mnist_ui.visitor import Visitor

LANGUAGE_KEY = SETTING + LANGUAGE
PANEL_KEY, EXPERIMENT_KEY = "panel", "break_experiment"  # of widgets
BREAK = "break"  # the panel that an experiment belongs to
LISTED = 6  # so much of what is wrong with a link is told
LINK_KEY = "link_to_copy"
# Streamlit shows the button that copies only to a mouse; a finger does not hover.
STYLE = f"""<style>
.st-key-{LINK_KEY} {{ min-height: 7rem; }}
.st-key-{LINK_KEY} .stCode > div {{ opacity: 1; visibility: visible; }}
.st-key-{LINK_KEY} pre {{ padding-right: 3.2rem; }}
</style>"""
QUOTED = 24  # characters of a link that are repeated on the page


def read_link(visitor: Visitor, panels: Collection[str], experiments: Collection[str]) -> None:
    """Set the page up as the link says by which it was opened; a reload finds it as it was left.

    A reload has the address that the page itself has written. Another one in the same tab is a link that somebody has
    put there, and wins over what was set before; one without a query asks for nothing.
    """
    if not visitor.link_is_read:
        asked = {name: st.query_params.get_all(name) for name in st.query_params}
        query = Query(asked)
        settings = server_settings()
        recipe, config = read_query(query, available_devices(), allowed(settings), settings.parameters)
        language = visitor.looked_at.get(LANGUAGE_KEY, current_language())
        looked_at = {
            PANEL_KEY: query.value("panel", choice(panels), None),
            EXPERIMENT_KEY: query.value("experiment", choice(experiments), None),
            LANGUAGE_KEY: query.value("lang", choice(languages()), language),
        }
        query.leave_out_rest()
        if asked and (query.mended or write_address(recipe, config, looked_at) != visitor.address):
            write_settings({"recipe": recipe, "colour": config.colour, **recipe_settings(config)})
            write_settings(option_settings(config.model_options))
            visitor.looked_at, visitor.mended = looked_at, tuple(query.mended)
        for key, value in visitor.looked_at.items():
            set_widget_value(key, value)
        visitor.link_is_read = True
    for key in (PANEL_KEY, EXPERIMENT_KEY):
        # Streamlit tells the browser a value once, and the run in which it was set may have been broken off.
        if widget_value(key) is not None:
            set_widget_value(key, widget_value(key))


def follow(visitor: Visitor) -> None:
    """Let the address say what is set now, as soon as it is known whose tab this is."""
    if not visitor.has_come_back:
        return
    visitor.looked_at = looked_at_now()
    visitor.address = write_address(read_settings()["recipe"], visitor.config, visitor.looked_at)
    shown = {name: st.query_params.get_all(name) for name in st.query_params}
    if shown != {name: [text] for name, text in visitor.address.items()}:
        st.query_params.from_dict(visitor.address)


def looked_at_now() -> dict[str, Any]:
    """What the page shows besides the settings, by the keys of the widgets."""
    return {key: widget_value(key) for key in (PANEL_KEY, EXPERIMENT_KEY)} | {LANGUAGE_KEY: current_language()}


def write_address(recipe: str, config: TrainConfig, looked_at: Mapping[str, Any]) -> dict[str, str]:
    """The query that says this: what differs from the recipe, the panel, and any language that is not plain English."""
    query = write_query(recipe, config)
    if looked_at[PANEL_KEY]:
        query["panel"] = looked_at[PANEL_KEY]
    if looked_at[PANEL_KEY] == BREAK and looked_at[EXPERIMENT_KEY]:
        query["experiment"] = looked_at[EXPERIMENT_KEY]
    if (looked_at[LANGUAGE_KEY], browser_language()) != (ENGLISH, ENGLISH):
        query["lang"] = looked_at[LANGUAGE_KEY]
    return query


def complete_link(visitor: Visitor) -> str:
    """The link to the page as it is now; it names recipe and language even where the address may leave them out."""
    recipe = read_settings()["recipe"]
    query = {"recipe": recipe, **write_address(recipe, visitor.config, looked_at_now()), "lang": current_language()}
    return f"{(st.context.url or '').rstrip('/')}/?{urlencode(query)}"


@st.fragment
def offer_link(visitor: Visitor) -> None:
    """A link to the page as it is, made when somebody asks for it."""
    asked = st.popover(
        _("Copy link"), icon=":material/link:", width="stretch", key="copy_link", on_change="rerun",
        help=_("Makes a link to this page as you have set it up, for a class to open."),
    )  # fmt: skip
    with asked:
        st.caption(
            _(
                "Whoever opens this link finds the page as it is set now: the recipe and all that you have changed "
                "in it, what is open under “Look closer”, and the language. Your drawing and your network stay "
                "with you."
            )
        )
        with st.container(key=LINK_KEY):
            st.html(STYLE)
            if asked.open:
                st.code(complete_link(visitor), language=None, wrap_lines=True)


def show_notice(visitor: Visitor) -> None:
    """Say what the link asked for in vain, until it is read; the place is kept for it."""
    with st.container():
        if visitor.mended:
            tell_mended(visitor)


def tell_mended(visitor: Visitor) -> None:
    """The notice itself, and the button with which it is read."""
    notice, read = st.columns([14, 1], vertical_alignment="center")
    notice.info("\n\n".join(notices(visitor.mended)), icon=":material/link:")
    read.button(_("OK"), key="link_notice_read", width="stretch", on_click=visitor.forget_mended)


def notices(mended: Sequence[Mended]) -> list[str]:
    """What was put right, in sentences; at most a few of the changes are named."""
    changed = [f"{quoted(one.name, one.given)}\u00a0→ {quoted(one.name, one.taken)}" for one in mended if one.taken]
    left_out = [quoted(one.name, one.given) for one in mended if not one.taken]
    said = []
    if changed:
        said.append(_("The link asks for what there is not. The nearest was taken: {changes}", changes=listed(changed)))
    if left_out:
        said.append(_("Some of the link means nothing here and was left out: {parts}", parts=listed(left_out)))
    return said


def listed(parts: list[str]) -> str:
    return ", ".join(parts[:LISTED]) + (" …" if len(parts) > LISTED else "")


def quoted(name: str, text: str | None) -> str:
    """A part of a link as code; whatever could be more than letters and digits there is blotted out."""
    plain = [re.sub(r"[^A-Za-z0-9_.,+-]", "·", part) for part in (name, text or "")]
    return "`{}={}`".format(*(part if len(part) <= QUOTED else part[:QUOTED] + "…" for part in plain))
