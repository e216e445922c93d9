"""The top of the page."""

import streamlit as st

from mnist_ui.language import LANGUAGE, _, current_language, languages
from mnist_ui.session import setting_key

# Streamlit leaves a large gap above the title; the canvas and Train shall both be in sight on a laptop.
STYLE = """<style>
.stMainBlockContainer { padding-top: 1.6rem; padding-bottom: 4rem; max-width: 1280px; }
.stMainBlockContainer h2 { padding: 0; }
/* A canvas is 280 pixels wide, however narrow the window: what stands beside it moves below it. */
.stColumn:has(.st-key-canvas) { min-width: 300px; }
@media (min-width: 641px) { .stMainBlockContainer { padding-left: 3rem; padding-right: 3rem; } }
.st-key-setting_language button { min-height: 2rem; padding: 0 .65rem; }
.st-key-setting_language button p { font-size: .8rem; }
.st-key-browser_tab { position: absolute; height: 0; overflow: hidden; }
@media (max-width: 640px) {
  .stMainBlockContainer { padding-top: 3rem; }
  .stMainBlockContainer h2 { font-size: 1.5rem; }
}
</style>"""


def show() -> None:
    """What this is, in two lines, and the choice of a language."""
    st.html(STYLE)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header(_("Digit playground"), anchor=False, width="content")
        choose_language()
    st.caption(
        _(
            "**Draw a digit**, or several side by side, and a network reads them. "
            "Press **Train**, and watch a new one learn to read yours."
        )
    )


def show_in_sidebar() -> None:
    """The top of the sidebar."""
    st.subheader(_("Training"), anchor=False)


def choose_language() -> None:
    """The switch from one language to another."""
    st.segmented_control(
        _("Language"),
        list(languages()),
        format_func=languages().__getitem__,
        required=True,
        key=setting_key(LANGUAGE, current_language()),  # the browser's, until another is chosen
        label_visibility="collapsed",
        width="content",
    )
