"""A network's answers to a whole set, against `evaluate`, hand calculations and plain torch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic, sleep

import numpy as np
import pytest
import torch
from torch import nn

from mnist_core import Digits, build_model, evaluate, load_model, make_loader
from mnist_core.colour import digits_for
from mnist_core.data import normalize
from mnist_core.lessons import mistakes
from mnist_core.lessons.mistakes import Answers, SetReading, answers_from, find_mistakes, read_set

PATIENCE_SECONDS = 60


class Says(nn.Module):
    """A network that reads the answer out of the first pixel and is as sure as the second says, both in 0..255."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pixels = (images[:, 0, 0, :2] * 255 * 0.3081 + 255 * 0.1307).round()  # (N, 2)
        return nn.functional.one_hot(pixels[:, 0].long(), 10) * pixels[:, 1:] / 10  # (N, 10)


def told(*cases: tuple[int, int, int]) -> Digits:
    """Images for `Says`, one for each (label, answer, sureness)."""
    images = torch.zeros(len(cases), 1, 28, 28, dtype=torch.uint8)
    for image, (_, answer, sureness) in zip(images, cases, strict=True):
        image[0, 0, 0], image[0, 0, 1] = answer, sureness
    return Digits(images, torch.tensor([label for label, _, _ in cases]))


CASES = told((4, 4, 90), (4, 9, 20), (4, 9, 70), (7, 1, 50), (9, 9, 30), (4, 4, 10), (9, 4, 60))


def read(model: nn.Module, digits: Digits, batch_size: int = 3) -> Answers:
    logits = torch.cat(list(read_set(model, digits, batch_size)))
    return answers_from(logits, digits.labels, getattr(model, "refuses", False))


def finish(reading: SetReading) -> Answers:
    deadline = monotonic() + PATIENCE_SECONDS
    while reading.answers is None:
        assert monotonic() < deadline, "waited in vain"
        reading.go_on()
        sleep(0.01)
    return reading.answers


@pytest.mark.parametrize("name", ["mlp", "fast_cnn", "deep_cnn"])
def test_a_set_is_counted_as_evaluate_counts_it(name: str, mnist_test: Digits) -> None:
    model, digits = build_model(name), mnist_test.first(530)
    tested = evaluate(model, make_loader(digits, 100), "cpu")
    answers = read(model, digits, 100)
    assert answers.confusion.tolist() == tested.confusion.tolist()
    assert answers.right / len(answers) == pytest.approx(tested.accuracy)


def test_probabilities_are_the_softmax_of_what_the_model_says(mnist_test: Digits) -> None:
    model, digits = load_model(), mnist_test.first(50)
    answers = read(model, digits, 20)
    with torch.no_grad():
        logits = model(normalize(digits.images))
    np.testing.assert_allclose(answers.probabilities, logits.softmax(1).numpy(), atol=1e-6)
    assert answers.refused.tolist() == (logits.exp().sum(1) < 1).tolist()
    assert answers.labels.tolist() == digits.labels.tolist()


def test_a_model_is_read_in_eval_mode_and_left_as_it_was(mnist_test: Digits) -> None:
    model = build_model("deep_cnn").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, second = (read(model, mnist_test.first(40), 20) for _ in range(2))
    assert (first.probabilities == second.probabilities).all()  # dropout would differ
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_confusion_by_hand() -> None:
    answers = read(Says(), CASES)
    expected = np.zeros((10, 10), int)
    expected[4, 4], expected[4, 9], expected[7, 1], expected[9, 9], expected[9, 4] = 2, 2, 1, 1, 1
    assert answers.confusion.tolist() == expected.tolist()
    assert answers.right == 3
    assert answers.confidences[3] == pytest.approx(np.exp(5) / (np.exp(5) + 9))


@pytest.mark.parametrize(
    ("label", "answer", "found"),
    [
        (None, None, [2, 6, 3, 1]),
        (4, None, [2, 1]),
        (None, 4, [6]),
        (4, 9, [2, 1]),
        (4, 4, [5, 0]),  # right: the least sure first
        (0, 0, []),
        (9, 1, []),
    ],
)
def test_mistakes_come_with_the_most_confident_first(label, answer, found) -> None:
    assert find_mistakes(read(Says(), CASES), label, answer).tolist() == found


def test_each_cell_of_the_confusion_holds_as_many_images_as_are_found_for_it(mnist_test: Digits) -> None:
    answers = read(build_model("fast_cnn"), mnist_test.first(300), 100)
    found = [[len(find_mistakes(answers, label, answer)) for answer in range(10)] for label in range(10)]
    assert found == answers.confusion.tolist()


def test_only_a_network_that_refuses_sees_no_digit() -> None:
    logits = torch.full((2, 10), -5.0)
    logits[1, 3] = 1.0
    labels = torch.tensor([3, 3])
    assert answers_from(logits, labels, refuses=True).refused.tolist() == [True, False]
    assert answers_from(logits, labels).refused.tolist() == [False, False]


def test_a_network_for_colours_is_counted_as_evaluate_counts_it(mnist_test: Digits) -> None:
    model = build_model("mlp", input_channels=3, input_size=32)
    digits = digits_for(model, mnist_test.first(60))
    assert digits.images.shape == (60, 3, 32, 32)
    assert (
        read(model, digits, 25).confusion.tolist()
        == evaluate(model, make_loader(digits, 100), "cpu").confusion.tolist()
    )


def test_a_reading_in_a_thread_has_the_same_answers(mnist_test: Digits) -> None:
    model, digits = build_model("mlp"), mnist_test.first(250)
    reading = SetReading(model, digits)
    assert reading.share_read == 0
    answers = finish(reading)
    assert reading.share_read == 1
    assert (answers.probabilities == read(model, digits, 100).probabilities).all()
    assert (answers.labels == digits.labels.numpy()).all()


class Waits(nn.Module):
    """A network that answers only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let = threading.Semaphore(0), threading.Semaphore(0)
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.asked.release()
        assert self.let.acquire(timeout=PATIENCE_SECONDS)
        return torch.zeros(len(images), 10)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = monotonic() + PATIENCE_SECONDS
    while not condition():
        assert monotonic() < deadline, "waited in vain"
        sleep(0.01)


def reading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "reading digits"]


def test_a_reading_that_nobody_watches_rests_and_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Waits()
    reading = SetReading(model, told(*[(0, 0, 1)] * 5), batch_size=2)
    reading.go_on()
    assert model.asked.acquire(timeout=PATIENCE_SECONDS)
    reading.go_on()  # no second thread
    assert len(reading_threads()) == 1
    monkeypatch.setattr(mistakes, "UNWATCHED_SECONDS", -1.0)
    model.let.release()
    wait_until(lambda: not reading_threads())
    assert (reading.images_read, reading.share_read, reading.answers) == (2, 0.4, None)
    monkeypatch.setattr(mistakes, "UNWATCHED_SECONDS", 100.0)
    model.let.release(2)
    assert len(finish(reading)) == 5
    assert not model.let.acquire(blocking=False)  # each batch was read once


class Breaks(nn.Module):
    """A network that cannot read."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise ValueError("no such layer")


def test_what_goes_wrong_in_the_thread_is_told_to_who_watches() -> None:
    reading = SetReading(Breaks(), CASES)
    with pytest.raises(ValueError, match="no such layer"):
        finish(reading)
    with pytest.raises(ValueError, match="no such layer"):
        reading.go_on()
    assert reading.answers is None
