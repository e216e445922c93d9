"""The lesson on what spoke for an answer, without a browser."""

from __future__ import annotations

import re

import numpy as np
import pytest
from opened_lesson import captions, open_lesson, seven
from streamlit.testing.v1 import AppTest

from mnist_core import load_model, prepare
from mnist_core.lessons.attribution import METHODS, attribute
from mnist_core.prediction import predict_logits
from mnist_ui.visitor import Visitor


def choose(page: AppTest, label: str, value: int) -> AppTest:
    next(one for one in page.main.selectbox if one.label == label).set_value(value).run()
    assert not page.exception
    return page


def choose_method(page: AppTest, name: str) -> AppTest:
    next(one for one in page.main.get("button_group") if one.key == "why_method").set_value(name).run()
    assert not page.exception
    return page


def sentences(page: AppTest) -> str:
    return "\n".join(one.value for one in page.main.markdown)


def test_before_anything_is_drawn_it_says_what_to_do(page) -> None:
    open_lesson(page, "why", None)
    assert "Draw a digit, or press **Example**" in page.main.info[-1].value


def test_why_it_is_the_most_probable_digit_and_why_not_another(page) -> None:
    open_lesson(page, "why", seven())
    assert "**Why 7?**" in sentences(page)
    logits = predict_logits(load_model(), prepare(seven()).image[None])[0]
    assert f"The logit of 7 is {float(logits[7]):.2f};" in sentences(page)
    choose(page, "rather than", 9)
    assert "**Why 7 rather than 9?**" in sentences(page)
    assert f"The logit of 7 is {float(logits[7] - logits[9]):+.2f} above that of 9;" in sentences(page)
    choose(page, "What spoke for", 9)  # rather than itself: just the nine
    assert "**Why 9?**" in sentences(page)
    choose(page, "rather than", 4)
    assert "**Why 9 rather than 4?**" in sentences(page)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_what_it_does_and_what_it_measured(page, method) -> None:
    open_lesson(page, "why", seven())
    choose_method(page, method)
    assert METHODS[method].about in captions(page)
    found = attribute(load_model(), prepare(seven()).image, None, None, method)
    assert ("add up to" in sentences(page)) == METHODS[method].has_parts
    if METHODS[method].has_parts:
        assert f"add up to {float(found.values.sum()):+.2f}, " in sentences(page)
    regions = [found.strongest_for, found.strongest_against]
    told = [one for one in regions if one is not None and abs(one.score - found.score) >= 0.05]
    assert told
    for region in told:
        assert f"the logit of 7 goes from {found.score:.2f} to {region.score:.2f}." in sentences(page)
    frames = re.findall('<div class="(?:for|against)"', "".join(one.proto.body for one in page.main.get("html")))
    assert len(frames) == len(told)


def test_a_new_drawing_is_explained_and_the_same_one_is_not_computed_again(page) -> None:
    open_lesson(page, "why", seven())
    visitor: Visitor = page.session_state["visitor"]
    first = visitor.notes["why"]
    page.run()
    assert visitor.notes["why"] is first
    ink = np.zeros((280, 280), np.uint8)
    ink[40:240, 130:150] = 255
    open_lesson(page, "why", ink)
    assert visitor.notes["why"] is not first
    assert "**Why 1?**" in sentences(page)


def test_only_a_dot_is_explained_too(page) -> None:
    ink = np.zeros((280, 280), np.uint8)
    ink[130:150, 130:150] = 255
    open_lesson(page, "why", ink)
    assert re.search(r"\*\*Why \d\?\*\*", sentences(page))
