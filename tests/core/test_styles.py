"""The generator of digits in many styles."""

import numpy as np
import pytest
import torch

from mnist_core import load_model, make_loader
from mnist_core.styles import STYLES, draw_digit, make_digits
from mnist_core.training import evaluate


@pytest.mark.parametrize("digit", STYLES)
def test_every_digit_is_drawn_inside_the_canvas(digit: int) -> None:
    chance = np.random.default_rng(digit)
    for _ in range(20):
        ink = draw_digit(digit, chance)
        assert ink.dtype == np.uint8
        assert ink.max() == 255
        assert ink[0].max() == ink[-1].max() == ink[:, 0].max() == ink[:, -1].max() == 0


def test_made_digits_hold_every_label_as_often_and_depend_on_the_seed_alone() -> None:
    first, again, other = make_digits(200, seed=1), make_digits(200, seed=1), make_digits(200, seed=2)
    assert torch.bincount(first.labels).tolist() == [20] * 10
    assert first.images.shape == (200, 1, 28, 28)
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)


def test_the_shipped_network_reads_made_digits_that_it_has_not_seen() -> None:
    unseen = make_digits(1000, seed=999)
    assert evaluate(load_model(), make_loader(unseen, 500), "cpu").accuracy > 0.97
