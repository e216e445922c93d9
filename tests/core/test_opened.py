"""A network from a visitor's file: only what the page can use is opened, and its name is no more than a name."""

from __future__ import annotations

import string

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mnist_core import Digits, build_model, evaluate, load_model, make_loader
from mnist_core.colour import digits_for
from mnist_core.errors import WeightsError
from mnist_core.models import count_parameters
from mnist_core.opened import LONGEST_NAME, OpenedNetwork, open_network, shown_name
from mnist_core.weights import FORMATS, weights_bytes


@pytest.fixture(scope="module")
def digits(mnist_test) -> Digits:
    return mnist_test.first(300)


@pytest.fixture
def opened(digits):
    """opened(content, ...): the network in a file, to be tested on a few images."""

    def open_one(content: bytes, name: str = "weights.pth", **limits: int) -> OpenedNetwork:
        return open_network(content, name, lambda model: digits_for(model, digits), **limits)

    return open_one


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_opened_network_scores_what_evaluate_says(opened, digits, file_format) -> None:
    network = opened(weights_bytes(load_model(), file_format), f"mine{file_format}")
    assert network.name == f"mine{file_format}"
    network.reading.go_on(60)
    expected = evaluate(load_model(), make_loader(digits, 100), "cpu")
    assert network.reading.answers.right == int(expected.confusion.diagonal().sum())


def test_a_network_for_colours_is_tested_in_colours(opened, digits) -> None:
    model = build_model("cnn", input_channels=3, input_size=32).eval()
    network = opened(weights_bytes(model, ".pth"))
    network.reading.go_on(60)
    expected = evaluate(model, make_loader(digits_for(model, digits), 100), "cpu")
    assert network.reading.answers.right == int(expected.confusion.diagonal().sum())


@pytest.mark.parametrize(("channels", "size"), [(1, 32), (3, 28)])
def test_a_network_for_images_that_there_are_not_is_refused(opened, channels, size) -> None:
    model = build_model("mlp", input_channels=channels, input_size=size)
    with pytest.raises(WeightsError, match=f"takes images of {channels} x {size} x {size}; here they have 1 x 28 x 28"):
        opened(weights_bytes(model, ".pth"))


def test_a_network_may_have_as_many_parameters_as_the_server_allows(opened) -> None:
    model = build_model("mlp", hidden_sizes=[5])
    count, content = count_parameters(model), weights_bytes(model, ".pth")
    opened(content, most_parameters=count)
    with pytest.raises(WeightsError, match=f"has {count:,} parameters; here it may have {count - 1:,}"):
        opened(content, most_parameters=count - 1)


def test_a_file_may_have_as_many_bytes_as_the_server_allows(opened) -> None:
    content = weights_bytes(build_model("mlp", hidden_sizes=[5]), ".pth")
    opened(content, most_bytes=len(content))
    with pytest.raises(WeightsError, match="bytes; at most"):
        opened(content, most_bytes=len(content) - 1)


@pytest.mark.parametrize("name", ["mlp", "fast_cnn", "deep_cnn"])
def test_finite_weights_whose_answers_are_no_numbers_are_refused(opened, name) -> None:
    model = build_model(name)
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(1e38)
    with pytest.raises(WeightsError, match="answers are infinite or not numbers"):
        opened(weights_bytes(model, ".pth"))


def test_a_variance_below_zero_is_refused(opened) -> None:
    model = build_model("fast_cnn")
    with torch.no_grad():
        model.get_buffer("features.2.running_var").fill_(-1.0)
    with pytest.raises(WeightsError, match="answers are infinite or not numbers"):
        opened(weights_bytes(model, ".pth"))


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("model_weights.pth", "model_weights.pth"),
        ("an\u0303o 2026.pth", "año·2026.pth"),
        ("<b>bold</b>.pth", "·b·bold··b·.pth"),
        ("![x](http://somewhere/x.png)", "··x··http···somewhere·x.png·"),
        ("`; rm -rf /", "···rm·-rf··"),
        ("../../etc/passwd", "..·..·etc·passwd"),
        ("abc\u202egnp.pth", "abc·gnp.pth"),
        ("x" * 100_000, "x" * (LONGEST_NAME - 1) + "…"),
        ("", ""),
    ],
)
def test_of_a_name_only_letters_digits_and_signs_are_shown(given_name, shown) -> None:
    assert shown_name(given_name) == shown


@given(st.text(max_size=300))
def test_no_name_is_more_than_a_name(name) -> None:
    shown = shown_name(name)
    assert len(shown) <= LONGEST_NAME
    assert not set(shown) & (set(string.punctuation + string.whitespace) - set("_.+-"))
    assert shown.isprintable()
