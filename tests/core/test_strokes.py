"""Lines through points, bent as hands bend them, drawn with a round pen."""

import numpy as np
import pytest

from mnist_core import prepare
from mnist_core.strokes import (
    CANVAS,
    LOOSE,
    STEADY,
    Hand,
    as_digits,
    bend,
    box,
    break_line,
    draw,
    place,
    rasterize,
    smooth,
    through,
)

STILL = Hand(slant=(0, 0), turn=0, wide=(1, 1), waves=0, tremors=(0,), pens=(8, 8))
CORNER = [np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]])]


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


def test_a_pen_is_round_at_every_point_and_as_wide_in_each_direction() -> None:
    ink = rasterize([np.array([[30.0, 30.0], [80.0, 30.0], [80.0, 80.0]])], width=20, side=120)
    assert ink.shape == (120, 120)
    rows, columns = np.flatnonzero((ink > 127).any(axis=1)), np.flatnonzero((ink > 127).any(axis=0))
    assert (rows[0], rows[-1]) == (pytest.approx(20, abs=1), pytest.approx(90, abs=1))
    assert (columns[0], columns[-1]) == (pytest.approx(20, abs=1), pytest.approx(90, abs=1))
    assert ink[21, 89] == 0  # the corner's outside is round


def test_a_still_hand_changes_nothing() -> None:
    (bent,) = bend(CORNER, np.random.default_rng(0), STILL)
    assert bent == pytest.approx(CORNER[0])


def test_a_slanted_hand_shifts_by_height() -> None:
    hand = Hand(slant=(0.5, 0), turn=0, wide=(1, 1), waves=0, tremors=(0,))
    (bent,) = bend(CORNER, np.random.default_rng(0), hand)
    assert bent == pytest.approx(np.array([[0, 0], [1, 0], [0, 2]]))


def test_lines_are_placed_in_the_middle_with_the_longer_side_as_asked() -> None:
    low, extent = box(place(CORNER, side=280, size=200))
    assert extent == pytest.approx([100, 200])
    assert low == pytest.approx([90, 40])


@pytest.mark.parametrize("hand", [LOOSE, STEADY])
def test_no_hand_draws_over_the_edge(hand: Hand) -> None:
    chance = np.random.default_rng(0)
    for _ in range(50):
        ink = draw(CORNER, chance, hand)
        assert ink.shape == (CANVAS, CANVAS)
        assert ink.max() == 255
        assert ink[0].max() == ink[-1].max() == ink[:, 0].max() == ink[:, -1].max() == 0


def test_drawings_become_digits_as_prepare_makes_them() -> None:
    ink = rasterize(place(CORNER), 8)
    digits = as_digits([ink, ink.T], [3, 10])
    assert digits.images.shape == (2, 1, 28, 28)
    assert digits.labels.tolist() == [3, 10]
    assert np.abs(digits.images[1, 0].numpy() / 255 - prepare(ink.T).image).max() < 1 / 255
