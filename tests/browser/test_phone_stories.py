"""Somebody uses a phone."""

from __future__ import annotations

from playground import SEVEN, Playground

SIDE = 280


def test_a_seven_drawn_with_a_finger_is_read(phone: Playground) -> None:
    phone.touch(SEVEN)
    phone.reads("It's a 7")
    assert phone.overflow <= 0


def test_a_tap_in_each_corner_leaves_ink_there_and_wipes_nothing(phone: Playground) -> None:
    corners = [(x, y) for x in (12, SIDE - 12) for y in (12, SIDE - 12)]
    for corner in corners:
        phone.touch([corner])
    for x, y in corners:
        assert phone.ink_on_canvas()[y, x] > 128
        assert phone.ink_at_server()[y // 2, x // 2] > 128
    phone.settled()
    assert (phone.ink_on_canvas() > 128).sum() > 4 * 100


def test_a_finger_that_leaves_the_canvas_does_not_scroll_the_page(phone: Playground) -> None:
    before = phone.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop")
    phone.touch([(140, 60), (140, 270)])
    assert phone.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == before
    phone.reads("It's a 1")


def test_training_is_within_reach_without_the_sidebar(phone: Playground) -> None:
    assert phone.overflow <= 0
    phone.touch(SEVEN)
    phone.page.locator(".st-key-train button").tap()
    phone.step_beyond(0)
    assert phone.overflow <= 0
    phone.answered_beyond(0)
    for name in ("Pause", "Stop training"):
        phone.button(name).scroll_into_view_if_needed()
        box = phone.button(name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    phone.button("Stop training").tap()
    phone.says("Stopped. What it had learnt is kept")
    assert phone.overflow <= 0


def test_the_sidebar_opens_over_the_page_and_closes_again(phone: Playground) -> None:
    phone.page.get_by_test_id("stExpandSidebarButton").tap()
    phone.page.get_by_text("Recipe", exact=True).wait_for()
    assert phone.overflow <= 0
    phone.page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").tap()
    phone.touch(SEVEN)
    phone.reads("It's a 7")


def test_the_buttons_below_the_canvas_answer_to_a_finger(phone: Playground) -> None:
    phone.touch(SEVEN)
    seven = phone.ink_on_canvas()
    for name in ("Example", "Clear", "Undo", "Undo"):
        phone.change(name, touch=True)
    phone.shows(seven)
    phone.reads("It's a 7")
    assert phone.overflow <= 0
