"""The page as Streamlit draws it, without a browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from page_parts import button, choose, labels, network_switches, settings, visitor_of, words
from streamlit.testing.v1 import AppTest

from mnist_core import MODELS, RECIPES, TrainConfig, build_model
from mnist_core.models import CHANNELS, HIDDEN_LAYERS, HIDDEN_SIZE, STAGES
from mnist_core.runs import DONE, PAUSED, RUNNING, STOPPED
from mnist_ui.visitor import MINE, SHIPPED, Drawing


def seven(middle_at: int = 140) -> np.ndarray:
    """Ink (280, 280) of a 7 around this column."""
    ink = np.zeros((280, 280), np.uint8)
    ink[60:80, middle_at - 50 : middle_at + 50] = 255
    for row in range(80, 230):
        middle = middle_at + 40 - (row - 80) // 2
        ink[row, middle - 10 : middle + 10] = 255
    return ink


@pytest.fixture
def draw(page, monkeypatch) -> Callable[[np.ndarray], AppTest]:
    """draw(ink): the page after this was drawn."""
    from mnist_ui import canvas

    def draw_ink(ink: np.ndarray) -> AppTest:
        drawing = Drawing(ink, ({"type": "Path"},), ink.tobytes()[:100] + b"sent")
        monkeypatch.setattr(canvas, "read_ink", lambda result, paper: drawing)
        return page.run()

    return draw_ink


@pytest.fixture
def drawn_seven(draw) -> AppTest:
    """The page after a 7 was drawn."""
    return draw(seven())


def test_the_page_comes_up_and_says_what_to_do(page) -> None:
    assert not page.exception
    assert "Waiting for your digit" in words(page)
    assert "Press **Train**" in words(page)
    assert button(page, "Clear").disabled
    assert button(page, "Undo").disabled
    assert not button(page, "Train").disabled


def test_digits_side_by_side_are_read_as_a_number_each_with_its_box(draw) -> None:
    page = draw(np.maximum(seven(75), seven(205)))
    assert not page.exception
    assert "It's 77" in words(page)
    assert "2 digits" in words(page)
    html = "\n".join(one.proto.body for one in page.main.get("html"))
    assert html.count('<div style="left:') == 2
    assert html.count('class="row top"') == 2


def test_what_is_no_digit_is_not_named_one(draw) -> None:
    ink = np.zeros((280, 280), np.uint8)
    for at in range(40, 240, 40):
        ink[at : at + 8, 20:260] = ink[20:260, at : at + 8] = 255  # a grid
    page = draw(ink)
    assert "I don't see a digit" in words(page)
    assert "Draw a digit from 0 to 9, or several side by side." in words(page)
    html = "\n".join(one.proto.body for one in page.main.get("html"))
    assert "width:0.0%" in html
    assert 'class="row top"' not in html


def test_the_first_recipe_is_the_fast_one(page) -> None:
    assert visitor_of(page).config == RECIPES["fast"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_untouched_recipe_trains_exactly_what_it_says(page, recipe) -> None:
    other = next(name for name in RECIPES if name != recipe)
    choose(page, recipe=other)
    choose(page, recipe=recipe)
    assert not page.exception
    assert visitor_of(page).config == RECIPES[recipe]


def test_a_recipe_overwrites_every_setting_that_was_changed(page) -> None:
    choose(page, model="mlp")
    choose(page, hidden_layers=3)
    choose(page, hidden_sizes_2=64, dropout=0.5, activation="gelu", epochs=7, learning_rate=0.1, batch_size=32)
    choose(page, optimizer="sgd", loss="mse", schedule="step", augment=True, train_images=500, seed=5, device="cpu")
    choose(page, precision="bfloat16", stop_when_stalled=True)
    assert visitor_of(page).config == TrainConfig(
        model="mlp", model_options={"hidden_sizes": (128, 128, 64), "dropout": 0.5, "activation": "gelu"}, epochs=7,
        learning_rate=0.1, batch_size=32, optimizer="sgd", loss="mse", label_smoothing=0.05, schedule="step",
        augment=True, train_images=500, seed=5, device="cpu", precision="bfloat16", stop_when_stalled=True,
    )  # fmt: skip
    choose(page, recipe="course")
    assert visitor_of(page).config == RECIPES["course"]
    choose(page, recipe="fast")
    assert visitor_of(page).config == RECIPES["fast"]


@pytest.mark.parametrize("model", MODELS)
def test_each_model_starts_with_its_own_options(page, model) -> None:
    choose(page, model=model)
    assert not page.exception
    assert visitor_of(page).config.model_options == TrainConfig(model=model).model_options


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("mlp", {"hidden_layers": 2, "hidden_sizes_0": 50}),
        ("cnn", {"channels_0": 5, "dropout": 0.25}),
        ("deep_cnn", {"channels_1": 8}),
    ],
)
def test_the_number_of_parameters_is_that_of_the_network_to_be_trained(page, model, changes) -> None:
    choose(page, model=model)
    choose(page, **changes)
    network = build_model(model, **visitor_of(page).config.model_options)
    count = sum(weights.numel() for weights in network.parameters())
    assert f"{count:,} parameters to learn" in [one.value for one in page.sidebar.caption]


def test_numbers_stay_within_bounds(page) -> None:
    bounds = {one.key.removeprefix("setting_"): (one.min, one.max) for one in page.sidebar.number_input}
    assert bounds["epochs"] == (1, 1000)
    assert bounds["batch_size"] == (1, 10_000)
    assert bounds["train_images"] == (100, 60_000)
    assert bounds["seed"] == (0, 2**31 - 1)
    assert bounds["channels_0"] == CHANNELS
    choose(page, model="mlp")
    widgets = [*page.sidebar.number_input, *page.sidebar.slider]
    bounds = {one.key.removeprefix("setting_"): (one.min, one.max) for one in widgets}
    assert bounds["hidden_layers"] == HIDDEN_LAYERS
    assert bounds["hidden_sizes_0"] == HIDDEN_SIZE


@pytest.mark.parametrize("model", [name for name, (fewest, most) in STAGES.items() if fewest < most])
def test_there_is_a_width_for_each_of_the_convolutions(page, model) -> None:
    choose(page, model=model)
    for stages in STAGES[model]:
        choose(page, stages=stages)
        assert not page.exception
        assert len(visitor_of(page).config.model_options["channels"]) == stages


@pytest.mark.parametrize("forged", [-5, 10**12])
@pytest.mark.parametrize("name", ["epochs", "batch_size", "train_images", "seed"])
def test_a_number_that_no_widget_would_send_never_leaves_the_bounds(page, name, forged) -> None:
    widget = page.sidebar.number_input(key=f"setting_{name}")
    choose(page, **{name: forged})
    assert not page.exception
    assert widget.min <= settings(page)[name] <= widget.max


def test_a_drawing_is_read_and_its_way_to_the_network_shown(drawn_seven) -> None:
    assert "It's a 7" in words(drawn_seven)
    assert "Answered by the shipped network." in words(drawn_seven)
    for stage in ("drawing", "cropped", "20 x 20", "28 x 28"):
        assert f"<figcaption>{stage}</figcaption>" in words(drawn_seven)


def test_clear_undo_and_example_do_what_they_say(drawn_seven) -> None:
    button(drawn_seven, "Clear").click().run()
    assert "Waiting for your digit" in words(drawn_seven)
    button(drawn_seven, "Undo").click().run()
    assert "It's a 7" in words(drawn_seven)
    button(drawn_seven, "Example").click().run()
    assert visitor_of(drawn_seven).drawing.objects[0]["type"] == "Image"
    assert "28 x 28" in words(drawn_seven)
    button(drawn_seven, "Undo").click().run()
    button(drawn_seven, "Undo").click().run()
    assert "Waiting for your digit" in words(drawn_seven)


def test_a_run_from_train_to_table_and_downloads(drawn_seven, wait_until) -> None:
    page = choose(drawn_seven, train_images=1000, epochs=1, batch_size=50, device="cpu")
    button(page, "Train").click().run()
    run = visitor_of(page).run
    assert run.config == replace(RECIPES["fast"], train_images=1000, epochs=1, batch_size=50, device="cpu")
    wait_until(lambda: run.is_over)
    page.run()
    assert not page.exception
    assert run.state == DONE
    assert "Done. It reads" in words(page)
    assert "epoch 1 of 1, step 20" in words(page)
    assert "Answered by my network after 20 steps." in words(page)
    assert "How the answer changes in training" in words(page)
    assert "at step 20." in words(page)
    table = page.main.dataframe[0].value
    assert table["Epoch"].tolist() == [1]
    assert table["Test accuracy in %"][0] == pytest.approx(100 * run.history[-1].test_accuracy)
    assert [one.proto.label for one in page.main.get("download_button")] == [
        "Weights as .pth",
        "Weights as .safetensors",
    ]
    assert "Train again" in labels(page)
    assert "Stop training" not in labels(page)


def test_pausing_going_on_and_stopping(page, wait_until) -> None:
    choose(page, epochs=1000, train_images=1000, device="cpu")
    button(page, "Train").click().run()
    run = visitor_of(page).run
    assert page.sidebar.button[0].disabled
    assert not any("Train" in label for label in labels(page) if label != "Stop training")
    wait_until(lambda: run.last_batch)
    assert "epoch 1 of 1000" in words(page.run())
    button(page, "Pause").click().run()
    assert run.state == PAUSED
    assert "paused" in words(page)
    button(page, "Go on").click().run()
    assert run.state == RUNNING
    button(page, "Stop training").click().run()
    assert run.state == STOPPED
    assert "Stopped. What it had learnt is kept" in words(page)
    assert "Weights as .pth" in [one.proto.label for one in page.main.get("download_button")]
    button(page, "Train again").click().run()
    assert visitor_of(page).run is not run


def test_the_visitor_chooses_which_network_answers(drawn_seven, wait_until) -> None:
    page = choose(drawn_seven, train_images=200, epochs=1, device="cpu")
    assert not network_switches(page)  # there is nothing to choose from yet
    button(page, "Train").click().run()
    wait_until(lambda: visitor_of(page).run.is_over)
    page.run()
    for name, answered_by in ((SHIPPED, "by the shipped network."), (MINE, "by my network after 2 steps.")):
        network_switches(page)[0].set_value(name).run()
        assert not page.exception
        assert visitor_of(page).answered_by == name
        assert f"Answered {answered_by}" in words(page)


def test_pressing_train_twice_starts_one_run(page) -> None:
    choose(page, epochs=1000, device="cpu")
    button(page, "Train").click().run()
    run = visitor_of(page).run
    visitor_of(page).wish_training()  # the second press of a double click
    page.run()
    assert visitor_of(page).run is run


def test_two_visitors_have_nothing_in_common(open_page) -> None:
    first, second = open_page(), open_page()
    choose(first, epochs=1000, device="cpu")
    button(first, "Train").click().run()
    second.run()
    assert visitor_of(second).run is None
    assert settings(second)["epochs"] == RECIPES["fast"].epochs
    assert "Train" in labels(second)


def test_train_takes_the_settings_that_were_changed_just_before(page) -> None:
    widget = next(one for one in page.sidebar.number_input if one.label == "Epochs")
    widget.set_value(7)
    button(page, "Train").click()  # both reach the server in one request
    page.run()
    assert visitor_of(page).run.config.epochs == 7
