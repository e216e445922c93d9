"""The page, from top to bottom."""

import streamlit as st

from mnist_ui import ICON, browser, start_up
from mnist_ui.language import _

st.set_page_config(page_title=_("Digit playground"), page_icon=ICON, layout="wide")
tab = browser.tab()
start_up.show_canvas()

from mnist_core.lessons.experiments import EXPERIMENTS
from mnist_ui import address, answer, canvas, header, look_closer, progress, sidebar
from mnist_ui.visitors import current_visitor

visitor = current_visitor(tab)
address.read_link(visitor, look_closer.LESSONS, EXPERIMENTS)

header.show()
address.show_notice(visitor)
sidebar.show(visitor)
with st.sidebar:
    address.offer_link(visitor)
canvas.show(visitor, beside=answer.show)
progress.show(visitor)
look_closer.show(visitor)
address.follow(visitor)
start_up.get_ready_to_train()
