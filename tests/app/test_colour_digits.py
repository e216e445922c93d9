"""Colour digits on the page: the switch, the pen, and what is seen and answered in colour."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from mnist_core import RECIPES, TrainConfig, build_model
from mnist_core.colour import coloured
from mnist_core.config import random_changes
from mnist_core.data import normalize
from mnist_core.drawing import COLOUR_STAGE_NAMES, STAGE_NAMES
from mnist_core.models import count_parameters
from mnist_ui import colours, test_images
from mnist_ui.film import data_url
from mnist_ui.visitor import MINE, SHIPPED, Drawing, Visitor

RED = "#ff0000"


def visitor_of(page: AppTest) -> Visitor:
    return page.session_state["visitor"]


def html(page: AppTest, part: str = "main") -> str:
    return "\n".join(one.proto.body for one in getattr(page, part).get("html"))


def switch(page: AppTest, on: bool = True) -> AppTest:
    page.toggle(key="setting_colour").set_value(on).run()
    assert not page.exception
    return page


def choose_pen(page: AppTest, colour: str) -> AppTest:
    page.color_picker[0].set_value(colour).run()
    assert not page.exception
    return page


def press(page: AppTest, label: str) -> AppTest:
    next(one for one in page.main.button if one.label == label).click().run()
    assert not page.exception
    return page


def image_of(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))))


def seven(*pens: tuple[int, int, int], middles: tuple[int, ...] = (140,)) -> np.ndarray:
    """A 7 in each colour around each column: (280, 280, 3)."""
    picture = np.zeros((280, 280, 3), np.uint8)
    for pen, middle_at in zip(pens, middles, strict=True):
        picture[60:80, middle_at - 50 : middle_at + 50] = pen
        for row in range(80, 230):
            middle = middle_at + 40 - (row - 80) // 2
            picture[row, middle - 10 : middle + 10] = pen
    return picture


@pytest.fixture
def draw(page, monkeypatch):
    """draw(picture): the page after this was drawn."""
    from mnist_ui import canvas

    def draw_picture(picture: np.ndarray) -> AppTest:
        drawing = Drawing(picture, ({"type": "Path"},), picture.tobytes()[:100] + b"sent")
        monkeypatch.setattr(canvas, "read_ink", lambda result, paper: drawing)
        page.run()
        assert not page.exception
        return page

    return draw_picture


# --- the switch


def test_at_first_digits_are_grey_and_there_is_no_choice_of_a_colour(page) -> None:
    assert not page.color_picker
    assert "examples" not in html(page, "sidebar")
    assert not visitor_of(page).config.colour
    assert colours.pen_of(visitor_of(page)) == "#ffffff"


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_switch_colours_whatever_recipe_is_chosen(page, recipe) -> None:
    switch(page)
    page.selectbox(key="en_setting_recipe").select(recipe).run()
    assert visitor_of(page).config == replace(RECIPES[recipe], colour=True)
    switch(page, on=False)
    assert visitor_of(page).config == RECIPES[recipe]


def test_the_number_of_parameters_is_that_of_the_network_for_colours(page) -> None:
    switch(page)
    options = visitor_of(page).config.model_options
    count = count_parameters(build_model("fast_cnn", **options))
    assert options["input_channels"] == 3
    assert f"{count:,} parameters to learn" in [one.value for one in page.sidebar.caption]


@pytest.mark.parametrize("augment", [False, True])
def test_the_examples_are_training_images_changed_as_in_training(page, augment, mnist_train_images) -> None:
    page.toggle(key="setting_augment").set_value(augment).run()
    switch(page)
    (url,) = re.findall(r'class="examples" src="([^"]+)"', html(page, "sidebar"))
    pixels = image_of(url)[1::3, 1::3]  # each is drawn three times as large
    assert pixels.shape == (64, 256, 3)
    config = visitor_of(page).config
    assert config.augment is augment
    changed = random_changes(config)(normalize(mnist_train_images[:16])) / 12**0.5 + 0.5
    for number, image in enumerate(changed.permute(0, 2, 3, 1).numpy()):
        row, column = divmod(number, 8)
        shown = pixels[32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
        assert np.abs(shown / 255 - image).max() < 1 / 255
    assert "16 of the training images; their colours are new each time." in [one.value for one in page.sidebar.caption]


@pytest.fixture(scope="module")
def mnist_train_images():
    from mnist_core import load_mnist

    return load_mnist("train").first(16).images


# --- the pen


@pytest.mark.parametrize(
    ("chosen", "pen"),
    [
        ("#ff0000", "#ff0000"),
        ("#800000", "#ff0000"),
        ("#123456", "#359aff"),
        ("#FFFFFF", "#ffffff"),
        ("#010101", "#ffffff"),
        ("#000000", "#ffffff"),
        ("#fff", "#ffffff"),
        ("red", "#ffffff"),
        ("#ff0000; x", "#ffffff"),
        ("", "#ffffff"),
        (None, "#ffffff"),
        (7, "#ffffff"),
        (["#ff0000"], "#ffffff"),
    ],
)
def test_a_pen_is_as_bright_as_its_colour_can_be_and_white_when_it_is_none(chosen, pen) -> None:
    assert colours.brightened(chosen) == pen


def test_the_pen_that_is_shown_is_the_one_that_draws_and_outlasts_the_switch(page) -> None:
    choose_pen(switch(page), "#800000")
    assert visitor_of(page).pen == page.color_picker[0].value == RED
    assert colours.pen_of(visitor_of(page)) == RED
    assert colours.pen_of(visitor_of(switch(page, on=False))) == "#ffffff"
    assert switch(page).color_picker[0].value == RED


def test_a_forged_colour_is_no_pen(page) -> None:
    choose_pen(switch(page), "url(javascript:1)")
    assert visitor_of(page).pen == "#ffffff"


def test_two_visitors_have_pens_of_their_own(open_page) -> None:
    first, second = switch(open_page()), switch(open_page())
    choose_pen(first, RED)
    assert visitor_of(second.run()).pen != RED


def test_an_example_comes_in_the_colour_of_the_pen_and_is_undone(page) -> None:
    press(choose_pen(switch(page), "#ff8000"), "Example")
    drawing = visitor_of(page).drawing
    assert drawing.picture.shape == (280, 280, 3)
    red, green, blue = np.moveaxis(drawing.picture.astype(int), 2, 0)
    assert np.array_equal(red, drawing.ink)
    assert np.abs(green - 128 / 255 * red).max() < 2  # twice rounded
    assert not blue.any()
    (placed,) = drawing.objects
    small = image_of(placed["src"])
    assert small.shape == (28, 28, 3)
    assert small[..., 0].max() > 200
    press(page, "Undo")
    assert not visitor_of(page).drawing.ink.any()


def test_white_ink_stays_plain_ink() -> None:
    ink = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert colours.drawn_with("#ffffff", ink) is ink
    assert np.array_equal(colours.drawn_with("#ff8000", ink)[..., 0], ink)


def test_the_canvas_s_picture_is_taken_with_its_colours(page) -> None:
    from streamlit_drawable_canvas import CanvasResult

    from mnist_ui import canvas

    picture = seven((255, 40, 0), (255, 255, 255), middles=(70, 200))
    for pixels, shape in ((picture, (280, 280, 3)), (seven((255, 255, 255)), (280, 280))):
        png = io.BytesIO()
        Image.fromarray(pixels).convert("RGBA").save(png, format="PNG")
        url = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
        sent = {"objects": [{"type": "Path"}], "background": "hsl(0, 0%, 0%)"}
        drawing = canvas.read_ink(CanvasResult(sent, url, return_image_data=True), "hsl(0, 0%, 0%)")
        assert drawing.picture.shape == shape
        assert np.array_equal(drawing.ink, pixels.max(axis=2))


# --- reading


def test_the_shipped_network_reads_a_drawing_in_colour_and_is_shown_its_ink(draw) -> None:
    page = draw(seven((255, 0, 60)))
    assert "It's a 7" in html(page)
    for name in STAGE_NAMES:
        assert f"<figcaption>{name}</figcaption>" in html(page)
    pictures = re.findall(r'src="([^"]+)" alt="The drawing, stage', html(page))
    assert all(image_of(url).ndim == 2 for url in pictures)


def test_a_number_in_two_colours_is_read_and_shown_in_them(draw) -> None:
    picture = seven((255, 0, 0), (0, 255, 255), middles=(75, 205))
    page = draw(picture)
    assert "It's 77" in html(page)
    assert f'src="{data_url(picture)}"' in html(page)


def test_a_network_trained_in_colour_answers_and_sees_the_colours(draw, wait_until) -> None:
    picture = seven((255, 128, 0))
    page = switch(draw(picture))
    for name, value in (("epochs", 1), ("train_images", 2000)):
        page.number_input(key=f"setting_{name}").set_value(value)
    page.selectbox(key="en_setting_device").set_value("cpu").run()
    press(page, "Train")
    run = visitor_of(page).run
    assert run.config.colour
    wait_until(lambda: run.is_over)
    page.run()
    assert not page.exception
    assert visitor_of(page).answering_model()[2].input_shape == (3, 32, 32)
    assert visitor_of(page).answered_by == MINE
    pictures = re.findall(r'src="([^"]+)" alt="The drawing, stage \d: ([^"]+)"', html(page))
    assert [name for _, name in pictures] == list(COLOUR_STAGE_NAMES)
    seen = image_of(pictures[-1][0])
    assert seen.shape == (32, 32, 3)
    assert seen[..., 0].max() > 200
    assert np.abs(seen[..., 1] - 128 / 255 * seen[..., 0]).max() < 3
    captions = "\n".join(one.value for one in page.main.caption)
    assert re.search(r"\d \(.*\) at step 0, \d \(.*\) at step \d+\.", captions)

    page.session_state["visitor"].answered_by = SHIPPED  # which sees ink, while the run's own networks see colours
    page.run()
    assert not page.exception
    assert "<figcaption>28 x 28</figcaption>" in html(page)
    assert re.search(r"at step 0, ", "\n".join(one.value for one in page.main.caption))


def test_lessons_find_the_test_set_as_each_network_reads_it(page) -> None:
    config = TrainConfig(colour=True)
    grey, in_colour = build_model("mlp"), build_model(config.model, **config.model_options)
    assert test_images.test_digits_for(grey) is test_images.test_digits()
    digits = test_images.test_digits_for(in_colour)
    assert np.array_equal(digits.images[:50], coloured(test_images.test_digits()).images[:50])
    assert test_images.test_digits_for(in_colour) is digits
