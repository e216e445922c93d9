"""Somebody looks where the network errs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playground import Playground
from playwright.sync_api import expect


@pytest.mark.parametrize("kind", ["desktop", "phone"])
def test_a_press_on_the_map_shows_images_and_one_goes_to_the_canvas(
    kind: str, visit: Callable[..., Playground]
) -> None:
    playground = visit(kind)
    page, touch = playground.page, kind == "phone"
    page.get_by_role("radio", name="Errors").click()
    playground.says(re.compile(r"The shipped network reads .* test images correctly"))

    four_read_as_nine = page.locator('.mark-rect path[aria-label*="answer: 9; written digit: 4;"]')
    four_read_as_nine.scroll_into_view_if_needed()
    box = four_read_as_nine.bounding_box()
    assert box is not None
    point = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.touchscreen.tap(*point) if touch else page.mouse.click(*point)
    playground.says(re.compile(r"images? of the digit 4 read as 9"))
    expect(four_read_as_nine).to_have_attribute("stroke-width", "3")

    playground.settled()
    before = playground.film()
    playground.button("To the canvas").first.click()
    playground.film_changed(before)
    playground.says("It is on the canvas")
    playground.in_step()
    playground.change("Undo", touch)
    playground.reads("Waiting for your digit")
    assert playground.overflow <= 0
