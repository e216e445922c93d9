"""A file of weights becomes "my network", tells what it scores, and what is wrong with it when it is refused."""

from __future__ import annotations

import pytest
import torch
from opened_lesson import captions, open_lesson, seven
from streamlit.testing.v1 import AppTest

from mnist_core import build_model, evaluate, load_mnist, make_loader
from mnist_core.config import TrainConfig
from mnist_core.lessons.mistakes import SetReading
from mnist_core.runs import TrainingRun
from mnist_core.server_settings import server_settings
from mnist_core.weights import state_bytes, weights_bytes
from mnist_ui.visitor import MINE, SHIPPED, Visitor

HOSTILE = "<img src=x onerror=alert(1)>![x](http://somewhere/x.png).pth"
BLOTTED = "·img·src·x·onerror·alert·1····x··http··…"


@pytest.fixture(autouse=True)
def few_test_digits(page_once_shown: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading of the whole test set takes too long for so many tests."""
    from mnist_core.colour import digits_for
    from mnist_ui import open_weights

    few = load_mnist("test").first(300)
    monkeypatch.setattr(open_weights, "test_digits_for", lambda model: digits_for(model, few))


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """One that answers as no other: always 3."""
    model = build_model("mlp", hidden_sizes=[4])
    with torch.no_grad():
        model.output.weight.zero_()
        model.output.bias.copy_(torch.tensor([0.0, 0, 0, 20, 0, 0, 0, 0, 0, 0]))
    return model.eval()


def visitor_of(page: AppTest) -> Visitor:
    return page.session_state["visitor"]


def upload(page: AppTest, content: bytes, name: str = "mine.pth") -> AppTest:
    page.session_state[f"weights_open_{visitor_of(page).notes.get('weights_opened', 0)}"] = True
    page.run()
    uploader = next(one for one in page.main.file_uploader if str(one.key).startswith("weights_file"))
    uploader.upload(name, content, "application/octet-stream").run()
    assert not page.exception
    return page


def words(page: AppTest) -> str:
    shown = [one.value for kind in (page.main.markdown, page.main.caption, page.main.info) for one in kind]
    return "\n".join([*shown, *(one.proto.body for one in page.main.get("html"))])


def press(page: AppTest, label: str) -> AppTest:
    next(one for one in page.main.button if one.label == label).click().run()
    assert not page.exception
    return page


def test_the_file_chooser_waits_until_it_is_asked_for(page) -> None:
    assert not page.main.file_uploader


@pytest.mark.parametrize("file_format", [".pth", ".safetensors"])
def test_an_opened_file_answers_as_my_network_and_tells_its_score(page, wait_until, network, file_format) -> None:
    open_lesson(page, "why", seven())
    upload(page, weights_bytes(network, file_format), f"mine{file_format}")
    assert visitor_of(page).answered_by == MINE
    assert "It's a 3" in words(page)
    assert f"Answered by my network from the file `mine{file_format}`." in captions(page)
    assert f"My network from the file `mine{file_format}`." in captions(page)  # the lesson has followed
    assert not page.main.file_uploader
    wait_until(lambda: "It reads" in words(page.run()))
    few = load_mnist("test").first(300)
    right = round(300 * evaluate(network, make_loader(few, 100), "cpu").accuracy)
    assert f"My network is in the file `mine{file_format}`: MLP, 3,190 parameters." in words(page)
    assert f"It reads **{right}** of 300 test images correctly ({right / 3:.2f} %)." in words(page)


def test_a_network_for_colours_says_that_it_was_tested_in_colours(page, wait_until) -> None:
    model = build_model("cnn", channels=[2], input_channels=3, input_size=32)
    upload(page, weights_bytes(model, ".pth"))
    wait_until(lambda: "of 300 test images in colour correctly" in words(page.run()))


def test_one_can_switch_to_the_shipped_network_and_back(page, network) -> None:
    upload(page, weights_bytes(network, ".pth"))
    choice = next(one for one in page.main.get("button_group") if str(one.key).startswith("answered_by"))
    choice.set_value("Shipped network").run()
    assert "Answered by the shipped network." in words(page)
    assert visitor_of(page).opened is not None
    next(one for one in page.main.get("button_group") if str(one.key).startswith("answered_by")).set_value(
        "My network"
    ).run()
    assert "Answered by my network from the file `mine.pth`." in words(page)


def test_a_closed_file_leaves_the_shipped_network_or_the_run(page, network) -> None:
    upload(page, weights_bytes(network, ".pth"))
    press(page, "Close file")
    assert visitor_of(page).opened is None
    assert visitor_of(page).answered_by == SHIPPED
    assert "Answered by the shipped network." in words(page)
    run = TrainingRun(TrainConfig())
    run.stop()
    visitor_of(page).run = run
    upload(page, weights_bytes(network, ".pth"))
    assert visitor_of(page).own_network is visitor_of(page).opened
    press(page, "Close file")
    assert (visitor_of(page).own_network, visitor_of(page).answered_by) == (run, MINE)


def test_training_makes_the_run_the_visitors_own_again(page, wait_until, network) -> None:
    upload(page, weights_bytes(network, ".pth"))
    page.session_state["setting_train_images"] = 200
    press(page, "Train")
    assert visitor_of(page).opened is None
    assert visitor_of(page).answered_by == MINE
    wait_until(lambda: visitor_of(page).run.is_over)
    page.run()
    assert "by my network after" in words(page)
    upload(page, weights_bytes(network, ".pth"))  # whichever came last
    assert "Answered by my network from the file `mine.pth`." in words(page)


def test_removing_the_run_leaves_the_opened_file(network) -> None:
    from mnist_core.opened import OpenedNetwork

    visitor = Visitor()
    visitor.run = TrainingRun(TrainConfig())
    one = visitor.recent_runs.add(visitor.run)
    visitor.run.stop()
    visitor.open(OpenedNetwork("mine.pth", network, SetReading(network, load_mnist("test").first(100))))
    visitor.forget_run(one.number)
    assert visitor.answering_model() == (MINE, 0, network)


def test_the_errors_lesson_shows_the_opened_network_without_reading_again(page, wait_until, network, monkeypatch):
    upload(page, weights_bytes(network, ".pth"))
    wait_until(lambda: "It reads" in words(page.run()))
    monkeypatch.setattr("mnist_ui.lessons.errors.SetReading", None)
    open_lesson(page, "errors", None)
    assert "My network from the file `mine.pth` reads **" in words(page)


def test_a_step_can_be_made_with_a_copy_of_the_opened_network(page, network) -> None:
    upload(page, weights_bytes(network, ".pth"))
    open_lesson(page, "step", None)
    assert "A copy of my network from the file `mine.pth`." in captions(page)


def test_the_layers_of_the_opened_network_can_be_looked_at(page, network) -> None:
    upload(page, weights_bytes(network, ".pth"))
    open_lesson(page, "layers", seven())
    assert "3,140" in words(page)  # weights of the first layer: 784 x 4 + 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a file of weights"),
        (b"no weights at all, but a text of some length", "This is not a file of weights"),
        (b"PK\x03\x04 and then nothing", "or it is damaged"),
        (b"\0" * 10_000_001, "The file has 10,000,001 bytes; at most 10,000,000 are read."),
    ],
)
def test_a_refused_file_leaves_what_was_there_and_says_why(page, network, content, said) -> None:
    upload(page, weights_bytes(network, ".pth"), "first.pth")
    before = visitor_of(page).opened
    upload(page, content)
    assert visitor_of(page).opened is before
    assert [one.value for one in page.main.error] == ["This file was not opened."]
    assert said in page.main.text[0].value
    next(one for one in page.main.file_uploader if str(one.key).startswith("weights_file")).clear().run()
    assert not page.main.error


def test_what_the_owner_allows_bounds_file_and_network(page, network, monkeypatch) -> None:
    monkeypatch.setenv("DIGIT_PLAYGROUND_UPLOAD_BYTES", "9000")
    server_settings.cache_clear()
    upload(page, weights_bytes(network, ".pth"))
    assert "at most 9,000 are read" in page.main.text[0].value
    monkeypatch.setenv("DIGIT_PLAYGROUND_UPLOAD_BYTES", "4000000")
    monkeypatch.setenv("DIGIT_PLAYGROUND_PARAMETERS", "3000")
    server_settings.cache_clear()
    upload(page, weights_bytes(network, ".pth"))
    assert "here it may have 3,000" in page.main.text[0].value
    monkeypatch.undo()
    server_settings.cache_clear()
    assert visitor_of(page).opened is None


def test_a_hostile_file_name_is_blotted_wherever_it_is_shown(page, network) -> None:
    upload(page, weights_bytes(network, ".pth"), HOSTILE)
    open_lesson(page, "why", seven())
    assert f"`{BLOTTED}`" in words(page)
    assert "<img src=x" not in words(page)
    assert "![" not in words(page)


def test_hostile_names_within_a_file_are_shown_as_plain_text_only(page) -> None:
    markdown = "![x](http://a.b/x.png)"
    upload(page, state_bytes({markdown: torch.zeros(3)}, ".pth", {"model": "mlp", "options": {}}))
    assert markdown in page.main.text[0].value  # st.text is no markdown
    upload(page, state_bytes({"x": torch.zeros(3)}, ".pth", {"model": "mlp", "options": {markdown: 1}}))
    assert markdown in page.main.text[0].value
    for kind in (page.main.error, page.main.markdown, page.main.caption, page.main.info, page.main.warning):
        assert not [one for one in kind if "![" in one.value]
