"""What a network answers to a drawing, and in which words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mnist_core import MODELS, build_model, classify, prepare
from mnist_core.errors import DrawingError
from mnist_core.prediction import describe, likely_digits

SEVEN = [(90, 80), (190, 80), (120, 210)]


class Answering(nn.Module):
    """A model that gives every image the same probabilities."""

    def __init__(self, **probabilities: float) -> None:
        super().__init__()
        rest = (1 - sum(probabilities.values())) / (10 - len(probabilities))
        wanted = [probabilities.get(f"p{digit}", rest) for digit in range(10)]
        self.logits = nn.Parameter(torch.tensor(wanted).log())

    def forward(self, images: Tensor) -> Tensor:
        return images.new_zeros(len(images), 1) + self.logits


@pytest.fixture(scope="module")
def seven(draw) -> np.ndarray:
    return draw(SEVEN)


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_are_the_softmax_of_a_plain_forward_on_the_prepared_image(name, seven) -> None:
    model = build_model(name).eval()
    prediction = classify(model, seven)
    image = (torch.from_numpy(prepare(seven).image) - 0.1307) / 0.3081
    with torch.no_grad():
        expected = model(image[None, None]).softmax(dim=1)[0]
    torch.testing.assert_close(torch.from_numpy(prediction.probabilities), expected)
    assert prediction.probabilities.dtype == np.float32
    assert prediction.probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert prediction.digit == int(expected.argmax())
    assert prediction.confidence == pytest.approx(float(expected.max()))
    assert np.array_equal(prediction.prepared.image, prepare(seven).image)


@pytest.mark.parametrize(
    ("probabilities", "verdict", "candidates"),
    [
        ({"p7": 0.97}, "a 7", (7,)),
        ({"p8": 0.97}, "an 8", (8,)),
        ({"p1": 0.81}, "a 1", (1,)),
        ({"p1": 0.55, "p7": 0.42}, "not sure: 1 or 7", (1, 7)),
        ({"p7": 0.55, "p1": 0.42}, "not sure: 7 or 1", (7, 1)),
        ({"p1": 0.5, "p7": 0.3, "p4": 0.15}, "not sure: 1, 7 or 4", (1, 7, 4)),
        ({"p1": 0.79}, "not sure: 1 or 0", (1, 0)),
        ({"p3": 0.3, "p5": 0.25, "p8": 0.2, "p9": 0.15}, "not sure: 3, 5 or 8", (3, 5, 8)),
    ],
)
def test_the_verdict_names_one_digit_or_admits_doubt(probabilities, verdict, candidates, seven) -> None:
    prediction = classify(Answering(**probabilities), seven)
    assert prediction.verdict == verdict
    assert prediction.candidates == candidates
    assert prediction.digit == candidates[0]
    assert prediction.confidence == pytest.approx(probabilities[f"p{candidates[0]}"], abs=1e-6)


def test_every_digit_has_its_article() -> None:
    assert [describe((digit,)) for digit in range(10)] == [
        "a 0", "a 1", "a 2", "a 3", "a 4", "a 5", "a 6", "a 7", "an 8", "a 9"
    ]  # fmt: skip


class Refusing(Answering):
    """A model that was trained to refuse: `evidence` is its logsumexp, below 0 when it saw no digit."""

    refuses = True

    def __init__(self, evidence: float, **probabilities: float) -> None:
        super().__init__(**probabilities)
        self.logits.data += evidence


def test_what_is_no_digit_is_refused_whatever_it_resembles_most(seven) -> None:
    prediction = classify(Refusing(-0.01, p7=0.97), seven)
    assert prediction.verdict == "I don't see a digit"
    assert (prediction.digit, prediction.confidence, prediction.candidates) == (None, 0.0, ())
    assert prediction.probabilities[7] == pytest.approx(0.97)
    assert classify(Refusing(0.01, p7=0.97), seven).digit == 7


def test_refused_strokes_that_stand_side_by_side_may_be_two_digits(draw) -> None:
    pair = np.maximum(draw([(80, 60), (80, 200)]), draw([(200, 60), (200, 200)]))
    assert classify(Refusing(-1), pair).verdict == "two digits?"
    dot_beside = np.maximum(draw([(80, 60), (80, 200)]), draw([(200, 60), (200, 70)]))
    assert classify(Refusing(-1), dot_beside).verdict == "I don't see a digit"


def test_only_a_network_that_was_trained_to_refuse_does(seven) -> None:
    model = Answering(p7=0.97)
    model.logits.data -= 100
    assert classify(model, seven).digit == 7


def test_a_network_without_any_idea_names_no_more_than_three_digits() -> None:
    assert len(likely_digits(np.full(10, 0.1, np.float32))) in (2, 3)


@pytest.mark.parametrize(
    ("points", "verdict"), [([], "nothing drawn yet"), ([(140, 140)], "only a dot so far")], ids=["blank", "dot"]
)
def test_without_a_digit_the_network_is_not_asked(points, verdict, draw) -> None:
    prediction = classify(Answering(p7=0.97), draw(points) if points else np.zeros((280, 280), np.uint8))
    assert prediction.verdict == verdict
    assert (prediction.digit, prediction.confidence, prediction.candidates) == (None, 0.0, ())
    assert prediction.probabilities == pytest.approx(np.full(10, 0.1))


def test_the_answer_does_not_depend_on_where_it_was_drawn(seven) -> None:
    model = build_model("cnn")
    moved = np.roll(seven, (40, -60), axis=(0, 1))
    assert np.array_equal(classify(model, moved).probabilities, classify(model, seven).probabilities)


def test_dropout_sleeps_while_answering_and_every_mode_comes_back(seven) -> None:
    model = build_model("deep_cnn", dropout=0.9).train()
    model.features[1].eval()
    modes = [module.training for module in model.modules()]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, again = classify(model, seven), classify(model, seven)
    assert np.array_equal(first.probabilities, again.probabilities)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_the_network_answers_in_eval_mode_without_gradients(seven) -> None:
    found = []

    class Watching(Answering):
        def forward(self, images: Tensor) -> Tensor:
            found.append((self.training, torch.is_grad_enabled()))
            return super().forward(images)

    model = Watching(p7=0.97).train()
    classify(model, seven)
    assert found == [(False, False)]
    assert model.training
    assert torch.is_grad_enabled()
    assert model.logits.grad is None


def test_the_mode_comes_back_even_when_the_network_fails(seven) -> None:
    model = build_model("mlp", input_channels=3).train()
    model.input_shape = (1, 28, 28)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        classify(model, seven)
    assert model.training
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("channels", "size"), [(3, 32), (3, 28), (1, 32)])
def test_networks_for_larger_and_coloured_images_answer_too(name, channels, size, seven) -> None:
    prediction = classify(build_model(name, input_channels=channels, input_size=size), seven)
    assert prediction.probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert prediction.digit in range(10)


def test_a_coloured_network_sees_the_drawing_in_every_channel(seven) -> None:
    seen = []

    class Looking(Answering):
        input_shape = (3, 32, 32)

        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            return super().forward(images)

    classify(Looking(p7=0.97), seven)
    (images,) = seen
    assert images.shape == (1, 3, 32, 32)
    assert torch.equal(images[:, 0], images[:, 1])
    assert torch.equal(images[:, 0], images[:, 2])
    expected = torch.full((32, 32), -0.5)
    expected[2:30, 2:30] += torch.from_numpy(prepare(seven).image)
    torch.testing.assert_close(images[0, 0], expected * 12**0.5)


@pytest.mark.parametrize("wrong", [None, np.zeros((28, 28)), np.zeros((28, 28, 4), np.uint8), [[0]]])
def test_what_is_no_drawing_is_refused(wrong) -> None:
    with pytest.raises(DrawingError):
        classify(build_model("mlp"), wrong)
