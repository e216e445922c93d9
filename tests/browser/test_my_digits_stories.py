"""Somebody says which digit it was, looks at what was kept, and lets the network learn their hand."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from playground import SEVEN, Playground
from playwright.sync_api import FilePayload, expect

from mnist_core.own_digits import label_drawing
from mnist_core.own_zip import zip_digits
from mnist_core.strokes import Hand, draw, sketch
from mnist_core.styles import STYLES

CHILD = Hand(slant=(0.0, 0.06), turn=0.04, wide=(0.75, 1.0), waves=0.012, tremors=(0,), pens=(6.0, 10.0))


def a_childs_digits(count: int) -> FilePayload:
    """A zip of digits that are written the wrong way round."""
    chance = np.random.default_rng(0)
    digits = []
    for number in range(count):
        ink = draw([line * (-1, 1) for line in sketch(STYLES[number % 10][0], chance)], chance, CHILD)
        digits.append(label_drawing(np.asarray(Image.fromarray(ink).resize((280, 280))), number % 10))
    return {"name": "my_digits.zip", "mimeType": "application/zip", "buffer": zip_digits(digits)}


@pytest.mark.parametrize("kind", ["desktop", "phone"])
def test_a_drawing_is_labelled_kept_relabelled_removed_and_put_back(
    kind: str, visit: Callable[..., Playground]
) -> None:
    playground = visit(kind)
    page, touch = playground.page, kind == "phone"

    def press(key: str) -> None:
        button = page.locator(f".st-key-{key} button")
        box = button.bounding_box()
        assert box is not None
        assert not touch or min(box["width"], box["height"]) >= 44
        button.tap() if touch else button.click()

    expect(page.locator(".st-key-was_right_yes")).to_have_count(0)
    height = page.evaluate("document.querySelector('.st-key-was_right').offsetHeight")
    (playground.touch if touch else playground.draw)(SEVEN)
    playground.reads("It's a 7")
    playground.says("Was this right?")
    press("was_right_yes")
    playground.says("in My digits (1)")
    playground.settled()
    assert page.evaluate("document.querySelector('.st-key-was_right').offsetHeight") == height  # nothing has jumped
    page.get_by_role("radio", name="My digits").click()
    playground.says("A single drawing says next to nothing")
    playground.settled()
    for part in (
        page.get_by_role("combobox", name="Label of drawing 1"),
        page.get_by_role("option", name="1", exact=True),
    ):
        part.tap() if touch else part.click()
    playground.says("misread as 7")
    expect(page.locator(".st-key-was_right_words")).to_contain_text("Kept as 1 in My digits (1).")
    press("digit_remove_1")
    playground.says("A 1 was removed.")
    expect(page.locator(".st-key-was_right_words")).to_contain_text("Was this right?")
    press("digit_put_back")
    playground.says("misread as 7")
    playground.settled()
    assert playground.overflow <= 0


def test_a_hand_from_a_zip_is_learnt(playground: Playground) -> None:
    page = playground.page
    page.get_by_role("radio", name="My digits").click()
    playground.says("Nothing here yet.")
    page.get_by_text("Upload a zip").click()
    page.locator(".st-key-digits_upload input[type=file]").set_input_files(a_childs_digits(60))
    playground.says("Added: 60.")
    expect(page.locator(".hand")).to_contain_text(re.compile(r"Shipped network\s*\d+ of 60 \(\d+ %\)\s*99\.\d\d %"))
    page.locator(".st-key-learn_hand button").click()
    playground.says(re.compile(r"It reads \d+ more of the drawings that it never saw\."))
    table = page.locator(".hand").nth(1)
    expect(table).to_contain_text(re.compile(r"held out, never learnt from\s*\d+ of 20 \(\d+ %\)\s*\d+ of 20"))
    expect(table).to_contain_text(re.compile(r"MNIST's test set\s*99\.\d\d %\s*99\.\d\d %"))
    playground.says("Answered by my network")
    page.get_by_role("radio", name="Compare").click()
    playground.says("Learn my hand, run 1")
    playground.settled()
