"""Somebody breaks the loop."""

from __future__ import annotations

from playground import SEVEN, Playground
from playwright.sync_api import expect

CURVES = """() => [...document.querySelectorAll('[aria-label^="Right and broken on one chart"] .mark-line path')]
    .map(line => line.getBBox().width)"""


def test_a_guess_both_curves_side_by_side_and_the_explanation(playground: Playground) -> None:
    page = playground.page
    playground.draw(SEVEN)
    page.get_by_role("radio", name="Break the loop").click()
    expect(page.locator(".diff .added").first).to_contain_text("stepped_before_backward")
    expect(playground.button("Try it")).to_be_disabled()
    page.get_by_text("It learns as well.", exact=True).click()
    playground.press("Try it")
    playground.says("What happened: It learns nothing.")
    playground.says("so no weight moved")
    widths = playground.wait(lambda: len(now := page.evaluate(CURVES)) == 2 and now, "both curves")
    assert min(widths) > 100
    assert playground.overflow <= 0
    playground.reads("It's a 7")  # the answer to the drawing is what it was
    playground.press("Again, with another seed")
    expect(playground.button("Stop").or_(playground.button("Again, with another seed"))).to_be_visible()


def test_a_loud_mistake_is_tried_and_explained_on_a_phone(phone: Playground) -> None:
    page = phone.page
    page.get_by_role("radio", name="Break the loop").tap()
    page.get_by_role("combobox", name="What goes wrong").click()
    page.keyboard.type("Wrong shape")
    page.get_by_role("option", name="Loud mistakes: Wrong shape").click()
    page.get_by_text("RuntimeError", exact=True).click()
    phone.press("Try it")
    phone.says("You guessed right: RuntimeError")
    phone.says("1792x28 and 784x128")
    assert phone.overflow <= 0
