"""A teacher sets the page up and sends its link; a class opens it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from playground import SEVEN, Playground
from playwright.sync_api import expect


def query(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))


def address_says(playground: Playground, **expected: str) -> None:
    """Wait until the address says just this."""
    playground.wait(lambda: query(playground.page.url) == expected, f"the address to say {expected}")


def go(playground: Playground, address: str) -> None:
    """Open a link in this tab."""
    playground.leaving = True
    playground.page.goto(address)
    playground.leaving = False
    playground.ready()


def test_a_link_from_the_teacher_to_the_class(visit: Callable[..., Playground], playground: Playground) -> None:
    steps_back = playground.page.evaluate("history.length")
    playground.choose("Recipe", "Course")
    address_says(playground, recipe="course")
    playground.set_number("Epochs", 7)
    address_says(playground, recipe="course", epochs="7")
    playground.page.get_by_role("radio", name="Quiz").click()
    address_says(playground, recipe="course", epochs="7", panel="quiz")
    assert playground.page.evaluate("history.length") == steps_back

    playground.page.get_by_role("button", name="Copy link").click()
    link = playground.page.locator(".st-key-link_to_copy code")
    expect(link).to_contain_text("panel=quiz")
    assert query(link.inner_text()) == {"recipe": "course", "epochs": "7", "panel": "quiz", "lang": "en"}

    for kind in ("another desktop", "phone"):
        pupil = visit(kind)
        go(pupil, link.inner_text())
        expect(pupil.page.get_by_role("button", name="Ask me five questions")).to_be_visible()
        address_says(pupil, recipe="course", epochs="7", panel="quiz")
        assert pupil.value("Epochs") == "7"
        assert pupil.value("Batch size") == "64"
        assert not pupil.complaints


def test_a_link_with_nonsense_gives_a_notice_and_a_page_that_works(playground: Playground) -> None:
    playground.draw(SEVEN)
    seven = playground.ink_on_canvas()
    go(playground, f"{playground.server.url}/?recipe=course&epochs=99999&rate=nan&augment=%ff&flavour=blue")
    playground.says("The link asks for what there is not")
    address_says(playground, recipe="course", epochs="1000")
    assert playground.value("Epochs") == "1000"
    playground.shows(seven)  # the link changes the settings, not the drawing
    playground.press("OK")
    expect(playground.page.get_by_text("The link asks for what there is not")).to_have_count(0)
    playground.shows(seven)
    playground.reads("It's a 7")
    playground.reload()
    assert playground.value("Epochs") == "1000"
    expect(playground.page.get_by_text("The link asks for what there is not")).to_have_count(0)
