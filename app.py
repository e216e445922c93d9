"""The page, from top to bottom."""

import streamlit as st

from mnist_ui import ICON, answer, browser, canvas, header, look_closer, progress, sidebar
from mnist_ui.language import _
from mnist_ui.visitor import current_visitor

st.set_page_config(page_title=_("Digit playground"), page_icon=ICON, layout="wide")
visitor = current_visitor(browser.tab())

header.show()
sidebar.show(visitor)
canvas.show(visitor, beside=answer.show)
progress.show(visitor)
look_closer.show(visitor)
