"""The generator of digits in many styles."""

import numpy as np
import pytest
import torch

from mnist_core import load_model, make_loader
from mnist_core.strokes import CANVAS, STYLES, break_line, draw_digit, make_digits, rasterize, smooth, through
from mnist_core.training import evaluate


def test_a_smooth_line_goes_through_every_point_that_it_was_given() -> None:
    points = np.array([[0, 0], [1, 3], [2, -1], [5, 5]], float)
    line = through(points, samples=10)
    assert line[::10] == pytest.approx(points)


def test_a_smooth_line_through_points_on_a_straight_one_stays_straight() -> None:
    points = np.array([[0, 0], [1, 2], [2, 4], [3, 6]], float)
    line = through(points)
    assert line[:, 1] == pytest.approx(2 * line[:, 0])


def test_a_point_that_stands_twice_makes_a_corner() -> None:
    line = smooth(np.array([[0, 0], [1, 0], [1, 0], [1, 1]], float))
    on_the_legs = (np.abs(line[:, 1]) < 1e-9) | (np.abs(line[:, 0] - 1) < 1e-9)
    assert on_the_legs.all()
    assert any((point == [1, 0]).all() for point in line)


def test_a_pen_of_a_width_draws_a_line_of_that_width() -> None:
    ink = rasterize([np.array([[10.0, 56.0], [100.0, 56.0]])], width=8)
    assert ink.shape == (CANVAS, CANVAS)
    assert ink[:, 56].sum() / 255 == pytest.approx(8, abs=1)


def test_a_broken_line_has_lost_points_in_its_middle_only() -> None:
    line = np.arange(40, dtype=float).reshape(20, 2)
    pieces = break_line(line, np.random.default_rng(3))
    assert sum(map(len, pieces)) < 20
    assert all(point in line.tolist() for piece in pieces for point in piece.tolist())


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
