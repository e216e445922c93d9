"""A page with a lesson open, for the tests of the lessons."""

from __future__ import annotations

import numpy as np
from streamlit.testing.v1 import AppTest

from mnist_ui.visitor import Drawing


def seven() -> np.ndarray:
    """Ink (280, 280) of a 7."""
    ink = np.zeros((280, 280), np.uint8)
    ink[60:80, 90:190] = 255
    for row in range(80, 230):
        ink[row, 170 - (row - 80) // 2 : 190 - (row - 80) // 2] = 255
    return ink


def open_lesson(page: AppTest, name: str, ink: np.ndarray | None) -> AppTest:
    """The page with this lesson open and this drawn."""
    if ink is not None:
        page.session_state["visitor"].put(Drawing(ink))
    page.session_state["panel"] = name
    page.run()
    assert not page.exception
    return page


def captions(page: AppTest) -> str:
    return "\n".join(str(one.value) for one in page.main.caption)
