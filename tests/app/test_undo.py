"""Undo keeps drawings exactly, and in a bounded amount of memory."""

import numpy as np
import pytest

from mnist_ui.undo import LARGEST_UNDO, MOST_UNDO, Undo

SIDE = 280


def a_drawing(number: int, channels: int = 1) -> np.ndarray:
    pen = np.random.default_rng(number)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    left, top = pen.integers(0, SIDE - 40, 2)
    picture[top : top + 40, left : left + 40] = pen.integers(1, 256, 3)
    return picture[..., 0] if channels == 1 else picture


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_taken_back_is_what_was_there(channels: int) -> None:
    undo = Undo()
    drawings = [a_drawing(number, channels) for number in range(5)]
    strokes = [({"type": "Path", "path": [["M", 1.25, number], ["L", 2, -3e-7]], "fill": None},) for number in range(5)]
    for drawing, objects in zip(drawings, strokes, strict=True):
        undo.push(drawing, objects)
    for drawing, objects in zip(drawings[::-1], strokes[::-1], strict=True):
        picture, kept = undo.pop()
        assert picture.dtype == np.uint8
        np.testing.assert_array_equal(picture, drawing)
        assert kept == objects
    assert not undo
    with pytest.raises(IndexError):
        undo.pop()


def test_a_picture_that_is_no_whole_array_of_its_own() -> None:
    undo, whole = Undo(), a_drawing(0, 3)
    undo.push(whole[::2, ::2, 1], ())
    np.testing.assert_array_equal(undo.pop()[0], whole[::2, ::2, 1])


def test_of_too_many_the_oldest_is_forgotten() -> None:
    undo = Undo()
    for number in range(MOST_UNDO + 2):
        undo.push(a_drawing(number), ())
    assert len(undo) == MOST_UNDO
    for number in range(MOST_UNDO + 1, 1, -1):
        np.testing.assert_array_equal(undo.pop()[0], a_drawing(number))


def test_thirty_drawn_digits_take_less_than_two_pictures() -> None:
    undo = Undo()
    for number in range(MOST_UNDO):
        undo.push(a_drawing(number), ({"path": [["Q", 1.5, 2.5, 3.5, number]] * 100},))
    assert undo.size < 2 * SIDE * SIDE


def test_what_cannot_be_packed_small_is_bounded_all_the_same() -> None:
    """Noise, and strokes that nobody drew: 60,000 random numbers."""
    undo, noise = Undo(), np.random.default_rng(0)
    newest = None
    for _ in range(MOST_UNDO):
        newest = noise.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        undo.push(newest, tuple(noise.random(20_000).tolist()))
        assert undo.size <= LARGEST_UNDO
    assert 0 < len(undo) < MOST_UNDO
    np.testing.assert_array_equal(undo.pop()[0], newest)


def test_one_that_is_too_large_alone_is_not_kept() -> None:
    undo = Undo()
    undo.push(a_drawing(1), ())
    undo.push(a_drawing(2), tuple(np.random.default_rng(0).random(300_000).tolist()))
    assert not undo
