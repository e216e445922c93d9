"""Somebody looks into the network, and asks it why."""

from __future__ import annotations

from playground import ONE, SEVEN, Playground


def choose_lesson(playground: Playground, name: str) -> None:
    playground.page.get_by_role("radio", name=name, exact=True).click()


def test_the_lessons_on_layers_and_on_why_follow_the_drawing_on_a_phone(phone: Playground) -> None:
    choose_lesson(phone, "Layers")
    phone.says("Draw a digit, or press Example, and see what each layer makes of it.")
    phone.touch(SEVEN)
    phone.says("Nearest digit")
    table = phone.page.locator(".flow")
    assert table.get_by_role("img", name="Nearest: 7").count() > 0
    # every picture is drawn, and nothing of the table is cut off
    widths = table.locator(".strip img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert len(widths) == table.locator("tbody tr").count()
    assert all(widths)
    assert table.evaluate("table => table.scrollWidth - table.clientWidth") <= 0
    assert phone.overflow <= 0
    choose_lesson(phone, "Why")
    phone.says("Why 7?")
    phone.clear()
    phone.touch(ONE)
    phone.says("Why 1?")
    assert phone.overflow <= 0
