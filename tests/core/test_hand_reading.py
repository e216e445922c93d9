"""How well drawings are read, counted by hand, and how much so few of them say."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from mnist_core import TrainConfig, classify, load_mnist, load_model, train
from mnist_core.lessons.hand_reading import Share, read_kept, share_right
from mnist_core.my_digits import MyDigits
from mnist_core.nondigits import KINDS
from mnist_core.styles import draw_digit
from mnist_core.training import build_seeded_model


@pytest.fixture(scope="module")
def shipped() -> nn.Module:
    return load_model()


@pytest.fixture
def digits() -> MyDigits:
    chance = np.random.default_rng(0)
    digits = MyDigits(50)
    for number in range(20):
        digits.gather(draw_digit(number % 10, chance), number % 10)
    for _ in range(4):
        digits.gather(KINDS["scribbles"](chance), 8)
    return digits


def test_drawings_are_read_as_classify_reads_them(shipped, digits) -> None:
    answers = read_kept(shipped, list(digits))
    assert answers == {kept.number: classify(shipped, kept.digit.picture).digit for kept in digits}
    assert None in answers.values()
    right = sum(answers[kept.number] == kept.label for kept in digits)
    assert share_right(answers, list(digits)) == Share(right, 24)
    assert 15 <= right < 24


def test_what_no_answer_is_known_to_is_not_counted(shipped, digits) -> None:
    kept = list(digits)
    assert share_right(read_kept(shipped, kept[:5]), kept).count == 5
    assert read_kept(shipped, []) == {}
    assert share_right({}, kept) == Share(0, 0)


def test_the_interval_of_wilson_against_published_values() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
    for right, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        assert Share(right, count).likely == pytest.approx((low, high), abs=5e-5)
    assert Share(1, 29).likely == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_an_interval_holds_its_share_and_shrinks_with_more_drawings() -> None:
    few, many = Share(9, 10), Share(900, 1000)
    assert few.likely[0] < many.likely[0] < 0.9 < many.likely[1] < few.likely[1]
    assert Share(10, 10).likely[1] == pytest.approx(1)
    assert Share(0, 0).likely == (0, 1)
    assert Share(0, 0).value is None


def test_a_network_for_colours_reads_the_drawings_in_their_colours() -> None:
    config = TrainConfig(model="fast_cnn", colour=True, train_images=4000)
    model = build_seeded_model(config)
    for _ in train(model, load_mnist("train"), config):
        pass
    digits, chance = MyDigits(30), np.random.default_rng(0)
    for number in range(20):
        ink = draw_digit(number % 10, chance)
        digits.gather(np.stack([ink, ink // 3, ink // 2], axis=2), number % 10)
    expected = {kept.number: classify(model, kept.digit.picture).digit for kept in digits}
    assert read_kept(model.eval(), list(digits)) == expected
