"""The lesson Errors as Streamlit draws it, without a browser."""

from __future__ import annotations

import base64
import io
import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from mnist_core import Digits, classify, evaluate, load_mnist, load_model, make_loader
from mnist_core.colour import coloured
from mnist_core.errors import WeightsError
from mnist_core.lessons.mistakes import SetReading, answers_from, find_mistakes, read_set
from mnist_ui import film
from mnist_ui.lessons.confusion import accuracy_html, blend, cell_row, confusion_chart, mixed_up
from mnist_ui.visitor import MINE, SHIPPED, Visitor


@pytest.fixture(scope="module")
def errors(page_once_shown: None) -> ModuleType:
    """The lesson's module, which needs the canvas, which can be imported only where Streamlit has been running."""
    from mnist_ui.lessons import errors

    return errors


def visitor_of(page: AppTest) -> Visitor:
    return page.session_state["visitor"]


def look_of(page: AppTest) -> Any:
    return visitor_of(page).notes["errors"]


def button(page: AppTest, label: str):
    return next(one for one in page.main.button if one.label == label)


def words(page: AppTest) -> str:
    texts = [str(one.value) for kind in ("caption", "markdown", "toast") for one in getattr(page, kind)]
    return "\n".join(texts + [one.proto.body for one in page.main.get("html")])


def charts(page: AppTest) -> int:
    return len(page.main.get("vega_lite_chart")) + len(page.main.get("arrow_vega_lite_chart"))


@pytest.fixture(scope="module")
def digits() -> Digits:
    """Test images of which several are misread by however good a network: five have the label of another digit."""
    first = load_mnist("test").first(600)
    labels = first.labels.clone()
    labels[50::120] = (labels[50::120] + 5) % 10
    return Digits(first.images, labels)


@pytest.fixture
def lesson(page: AppTest, digits, monkeypatch, wait_until, errors) -> AppTest:
    """The open lesson, about the first test images, when they have been read."""
    monkeypatch.setattr(errors, "test_digits_for", lambda model: digits)
    errors.shipped_reading.clear()
    page.session_state["panel"] = "errors"
    wait_until(lambda: "test images correctly" in words(page.run()))
    yield page
    errors.shipped_reading.clear()


@pytest.fixture(scope="module")
def answers(digits):
    return answers_from(torch.cat(list(read_set(load_model(), digits))), digits.labels, refuses=True)


def test_nothing_is_read_before_the_lesson_is_chosen(page) -> None:
    assert "errors" not in visitor_of(page).notes
    assert "misread" not in words(page)


def test_the_page_says_how_far_a_long_reading_is(page, monkeypatch, digits, errors) -> None:
    reading = SetReading(load_model(), digits)
    monkeypatch.setattr(SetReading, "go_on", lambda self, seconds=0.0: None)
    reading.images_read = 300
    monkeypatch.setattr(errors, "shipped_reading", lambda: reading)
    page.session_state["panel"] = "errors"
    page.run()
    assert not page.exception
    assert [one.proto.text for one in page.main.get("progress")] == ["Reading the test set: 300 of 600 images."]
    assert not charts(page)


def test_the_numbers_are_those_of_evaluate(lesson, digits) -> None:
    tested = evaluate(load_model(), make_loader(digits, 100), "cpu")
    right = int(tested.confusion.diagonal().sum())
    assert not lesson.exception
    assert f"reads **{right}** of 600 test images correctly ({100 * tested.accuracy:.2f} %)" in words(lesson)
    assert f"misreads **{600 - right}**." in words(lesson)
    assert charts(lesson) == 1
    for digit in range(10):
        share = 100 * tested.confusion[digit, digit] / tested.confusion[digit].sum()
        assert f'<b>{digit}</b><span class="number">{share:.2f} %</span>' in words(lesson)


def test_the_most_confident_mistakes_come_first(lesson, answers) -> None:
    found = find_mistakes(answers)
    assert 0 < len(found) <= 12
    shown = [one.key for one in lesson.main.button if str(one.key).startswith("errors_put_")]
    assert shown == [f"errors_put_{index}" for index in found]
    for index in found:
        assert f"{answers.labels[index]}, read as {answers.answers[index]}" in words(lesson)


def test_the_lists_choose_what_is_shown(lesson, answers) -> None:
    lesson.selectbox(key="en_errors_label").set_value(7).run()
    lesson.selectbox(key="en_errors_answer").set_value(7).run()
    found = find_mistakes(answers, 7, 7)
    assert f"**{len(found)}** images of the digit 7 read correctly, the least confident first" in words(lesson)
    assert words(lesson).count("7, read correctly") >= 12
    assert "1 to 12 of" in words(lesson)
    button(lesson, "Next").click().run()
    assert f"13 to 24 of {len(found)}" in words(lesson)
    assert f"errors_put_{found[12]}" in [one.key for one in lesson.main.button]
    button(lesson, "Previous").click().run()
    assert f"errors_put_{found[0]}" in [one.key for one in lesson.main.button]
    button(lesson, "All mistakes").click().run()
    assert lesson.selectbox(key="en_errors_label").value == -1
    assert "misread, the most confident mistakes first" in words(lesson)
    assert button(lesson, "All mistakes").disabled


def test_an_empty_cell_says_so(lesson) -> None:
    lesson.selectbox(key="en_errors_label").set_value(0).run()
    lesson.selectbox(key="en_errors_answer").set_value(1).run()
    assert "**0** images of the digit 0 read as 1" in words(lesson)
    assert not [one for one in lesson.main.button if str(one.key).startswith("errors_put_")]


def test_an_image_goes_to_the_canvas_and_undo_brings_the_drawing_back(lesson, answers, digits) -> None:
    index = int(find_mistakes(answers)[0])
    next(one for one in lesson.main.button if one.key == f"errors_put_{index}").click().run()
    drawing = visitor_of(lesson).drawing
    image = digits.images[index, 0].numpy()
    assert np.abs(drawing.ink.reshape(28, 10, 28, 10).mean(axis=(1, 3)) - image).mean() < 8
    verdict = classify(load_model(), drawing.ink).verdict
    assert verdict.removeprefix("a ") in words(lesson)
    assert "It is on the canvas" in words(lesson)
    assert "Waiting for your digit" not in words(lesson)
    button(lesson, "Undo").click().run()
    assert "Waiting for your digit" in words(lesson)
    assert "It is on the canvas" not in words(lesson)


def test_the_shipped_network_reads_once_for_all(lesson, open_page) -> None:
    other = open_page()
    other.session_state["panel"] = "errors"
    other.run()
    assert look_of(other).shown is look_of(lesson).shown
    other.selectbox(key="en_errors_label").set_value(3).run()
    assert look_of(lesson.run()).label is None


def test_a_run_that_goes_on_is_read_again_only_when_asked(lesson, wait_until) -> None:
    shipped = look_of(lesson).shown
    for name, value in {"epochs": 1000, "train_images": 1000, "batch_size": 50}.items():
        next(one for one in lesson.sidebar.number_input if str(one.key).endswith(f"setting_{name}")).set_value(value)
    lesson.run()
    button(lesson, "Train").click().run()
    run = visitor_of(lesson).run
    wait_until(lambda: run.latest_step)
    wait_until(lambda: "My network after" in words(lesson.run()))
    first, step = look_of(lesson).shown, look_of(lesson).shown_step
    assert first is not shipped
    wait_until(lambda: run.latest_step > step)
    run.stop()
    lesson.run()
    assert look_of(lesson).shown is first
    button(lesson, f"Read the test set again, now at step {run.latest_step:,}").click().run()
    wait_until(lambda: f"My network after {run.latest_step:,} steps" in words(lesson.run()))
    assert look_of(lesson).shown is not first
    assert not [one for one in lesson.main.button if "Read the test set again" in one.label]
    visitor_of(lesson).answered_by = SHIPPED
    assert "The shipped network reads" in words(lesson.run())
    visitor_of(lesson).answered_by = MINE
    wait_until(lambda: "My network after" in words(lesson.run()))


@pytest.mark.parametrize(
    ("selection", "cells"),
    [
        ({"selection": {"cell": [{"label": 4, "answer": 9}]}}, [(4, 9)]),
        ({"selection": {"cell": []}}, []),
        ({"selection": {}}, []),
        ({"selection": {"cell": [{"label": "4", "answer": 9}]}}, []),
        ({"selection": {"cell": [{"label": 4, "answer": 10}]}}, []),
        ({"selection": {"cell": [{"label": 4}]}}, []),
        ({"selection": {"cell": 4}}, []),
        (None, []),
    ],
)
def test_only_cells_of_the_map_can_be_chosen_on_it(selection, cells, errors) -> None:
    assert errors.chosen_cells(selection) == cells


def test_a_press_on_the_map_moves_the_lists_and_not_the_map(monkeypatch, errors) -> None:
    look = errors.Look(first=24)
    pressed = {"selection": {"cell": [{"label": 4, "answer": 9}]}}
    monkeypatch.setattr(errors, "widget_value", lambda key: pressed)
    look.choose_on_map("errors_map_0")
    assert (look.label, look.answer, look.first, look.map_revision) == (4, 9, 0, 0)
    pressed["selection"]["cell"] = []
    look.choose_on_map("errors_map_0")
    assert (look.label, look.answer, look.marked, look.map_revision) == (4, 9, (4, 9), 1)


CONFUSION = np.diag([1000] * 10)
CONFUSION[4, 9], CONFUSION[9, 4], CONFUSION[7, 1] = 16, 4, 1


def test_the_colours_of_the_map_tell_mistakes_apart_whatever_is_right() -> None:
    fills = {
        cell: cell_row(CONFUSION, *cell, most=16)["fill"] for cell in [(4, 9), (9, 4), (7, 1), (0, 0), (0, 1), (5, 5)]
    }
    assert fills[4, 9] == blend("#fbe3cb", "#a34700", 1.0) == "#a34700"
    assert fills[9, 4] == blend("#fbe3cb", "#a34700", 0.5)
    assert fills[7, 1] == blend("#fbe3cb", "#a34700", 0.25)
    assert fills[0, 0] == fills[5, 5]
    assert len(set(fills.values())) == 5


def test_the_map_has_a_hundred_cells_and_marks_the_chosen_one() -> None:
    chart = confusion_chart(CONFUSION, 4, 9).to_dict()
    (cells,) = chart["datasets"].values()
    assert {(cell["label"], cell["answer"]): cell["images"] for cell in cells} == {
        (label, answer): CONFUSION[label, answer] for label in range(10) for answer in range(10)
    }
    (parameter,) = chart["params"]
    assert (parameter["name"], parameter["value"]) == ("cell", [{"label": 4, "answer": 9}])
    assert confusion_chart(CONFUSION, 4, None).to_dict()["params"][0]["value"] == []


def test_what_is_mixed_up_in_words() -> None:
    expected = "Most often mixed up: 4 read as 9 (16), 9 read as 4 (4), 7 read as 1 (1)."
    assert mixed_up(CONFUSION) == expected
    assert mixed_up(np.diag([5] * 10)) == "Nothing was misread."


def test_the_accuracy_of_each_digit_by_hand() -> None:
    html = accuracy_html(CONFUSION)
    assert '<b>4</b><span class="number">98.43 %</span><span class="number">16</span>' in html  # 1000 / 1016
    assert '<b>9</b><span class="number">99.60 %</span><span class="number">4</span>' in html  # 1000 / 1004
    assert "width:100.0%" in html
    assert "width:25.0%" in html
    assert accuracy_html(np.zeros((10, 10), np.int64)).count("0.00 %") == 10


def test_a_network_that_cannot_be_loaded_is_no_reason_to_break(page, monkeypatch) -> None:
    def missing(self: Visitor) -> None:
        raise WeightsError("The file is missing.")

    monkeypatch.setattr(Visitor, "answering_model", missing)
    page.session_state["panel"] = "errors"
    page.run()
    assert not page.exception
    assert "No network can answer. The file is missing." in [one.value for one in page.error]


def test_a_network_for_colours_is_shown_its_images_in_colour(page_once_shown, digits) -> None:
    from mnist_ui.lessons import misread

    answers = answers_from(torch.randn(20, 10), digits.labels[:20])
    html = misread.image_html(film.picture_of(coloured(digits.first(20)).images[3]), answers, 3)
    png = base64.b64decode(re.search('base64,([^"]*)', html)[1])
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.size, picture.mode) == ((32, 32), "RGB")
