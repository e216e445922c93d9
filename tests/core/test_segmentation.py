"""Drawings of several digits, cut into digits."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from mnist_core import build_model, load_model
from mnist_core.errors import DrawingError
from mnist_core.nondigits import LETTERS
from mnist_core.parts import label_parts
from mnist_core.segmentation import MOST_PIECES, cut_apart, read_number, read_parts, take_apart
from mnist_core.strokes import place, rasterize, sketch
from mnist_core.styles import STYLES


@pytest.fixture(scope="module")
def shipped():
    return load_model()


def digit_at(digit: int, left: float, style: int = 0, width: float = 12, top: float = 90) -> np.ndarray:
    """A digit 100 high, and narrow as digits are, on a canvas of 280, its left edge at `left`."""
    narrow = [line * [0.6, 1] for line in sketch(STYLES[digit][style], np.random.default_rng(digit))]
    lines = place(narrow, 280, 100)
    points = np.concatenate(lines)
    away = np.array([left, top]) - points.min(axis=0)
    return rasterize([line + away for line in lines], width, 280)


def row(*digits: int, gap: int = 85) -> np.ndarray:
    return np.maximum.reduce([digit_at(digit, 20 + gap * place) for place, digit in enumerate(digits)])


@pytest.mark.parametrize("digits", [(4, 7), (1, 2), (9, 0), (3, 3), (5, 8), (6, 1), (2, 7, 5), (4, 0, 4), (1, 1, 1)])
def test_digits_side_by_side_are_read_as_a_number(shipped, digits) -> None:
    reading = read_number(shipped, row(*digits))
    assert reading.number == "".join(map(str, digits))


def test_each_digit_has_its_own_box_and_confidence(shipped) -> None:
    ink = row(4, 7)
    reading = read_number(shipped, ink)
    assert [part.prediction.digit for part in reading.parts] == [4, 7]
    assert all(part.prediction.confidence > 0.5 for part in reading.parts)
    for part, alone in zip(reading.parts, (digit_at(4, 20), digit_at(7, 105)), strict=True):
        rows, columns = np.flatnonzero(alone.any(axis=1)), np.flatnonzero(alone.any(axis=0))
        assert part.box == pytest.approx((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), abs=1)


def test_a_number_in_colours_is_cut_as_its_ink_is_and_each_digit_keeps_its_colour(shipped) -> None:
    four, seven = (digit_at(digit, left)[..., None] for digit, left in ((4, 20), (7, 105)))
    none = np.zeros_like(four)
    picture = np.maximum(np.concatenate([four, none, none], axis=2), np.concatenate([none, seven, seven], axis=2))
    digits, inks = cut_apart(shipped, picture), cut_apart(shipped, row(4, 7))
    for digit, ink, alone in zip(digits, inks, (four, seven), strict=True):
        assert digit.shape == (280, 280, 3)
        assert np.array_equal(digit.max(axis=2), ink)
        assert np.array_equal(digit, np.where(alone > 0, picture, 0))
    assert read_number(shipped, picture).number == "47"


class ByWidth(nn.Module):
    """Sees a thin bar as a 1 with a logit of its own, a broad one clearly as a 1, and nothing else."""

    refuses = True

    def __init__(self, thin: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([thin, 10.0, -10.0]), requires_grad=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        widths = (images > 0).any(dim=2).squeeze(1).sum(dim=1)  # (N, 1, 28, 28) -> (N,)
        logits = torch.full((len(images), 10), -20.0)
        logits[:, 1] = self.logits[torch.bucketize(widths, torch.tensor([5, 12]))]
        return logits


@pytest.mark.parametrize(("thin", "number"), [(5.0, "11"), (-0.5, "11"), (-1.5, None)])
def test_beside_a_clear_digit_one_may_be_in_doubt_but_not_against_all_odds(thin, number) -> None:
    ink = np.zeros((280, 280), np.uint8)
    ink[90:190, 40:50] = 255  # P(a 1) = 0.99, 0.38 and 0.18
    ink[90:190, 180:220] = 255
    assert read_number(ByWidth(thin), ink).number == number


def test_of_a_part_it_is_said_which_digit_it_is_whether_or_not_it_is_one(shipped) -> None:
    letter = rasterize(place(sketch(LETTERS["Sha"][0], np.random.default_rng(0)), 280, 100), 12, 280)
    assert read_number(shipped, letter).whole.digit is None
    (part,) = read_parts(shipped, (letter,))
    assert part.name == str(part.prediction.probabilities.argmax())


@pytest.mark.parametrize("digit", range(10))
def test_one_digit_is_no_number_however_many_strokes_it_has(shipped, digit) -> None:
    for style in range(len(STYLES[digit])):
        reading = read_number(shipped, digit_at(digit, 90, style))
        assert reading.number is None, f"style {style}"
        assert reading.parts == ()


def test_a_five_whose_bar_floats_stays_whole(shipped) -> None:
    body = [(110, 100), (105, 150), (160, 150), (180, 190), (140, 220), (100, 210)]
    lines = [np.array(body, float), np.array([(118, 84), (190, 80)], float)]
    ink = rasterize(lines, 10, 280)
    assert label_parts(ink > 0).max() == 2
    reading = read_number(shipped, ink)
    assert reading.parts == ()
    assert reading.whole.digit == 5


def test_boxes_may_overlap_when_digits_lean(shipped) -> None:
    lean = np.array([[1, -0.5], [0, 1]])
    lines = place(sketch(STYLES[1][0], np.random.default_rng(0)), 280, 120)
    leaning = [(line - 140) @ lean.T + 140 for line in lines]
    ink = rasterize([*(line - [45, 0] for line in leaning), *leaning], 12, 280)
    reading = read_number(shipped, ink)
    assert reading.number == "11"
    assert reading.parts[0].box[2] > reading.parts[1].box[0]


def test_many_digits_that_touch_are_cut_apart(shipped) -> None:
    right, touching = 0, 0
    for first, second in product((0, 2, 3, 5, 6, 8), repeat=2):
        left = digit_at(first, 40)
        beside = np.flatnonzero(left.any(axis=0))[-1] - 3
        ink = np.maximum(left, digit_at(second, beside))
        touching += label_parts(ink > 0).max() == 1
        right += read_number(shipped, ink).number == f"{first}{second}"
    assert touching > 24
    assert right > 10


def test_a_speck_is_no_digit(shipped) -> None:
    ink = row(4, 7).copy()
    ink[10:12, 260:262] = 255
    assert read_number(shipped, ink).number == "47"


def test_a_network_that_cannot_refuse_takes_everything_for_one_digit_unless_another_cuts(shipped) -> None:
    model = build_model("cnn").eval()
    assert read_number(model, row(4, 7)).parts == ()
    assert len(read_number(model, row(4, 7), cutter=shipped).parts) == 2


def test_nothing_drawn_and_a_dot_are_said_as_ever(shipped) -> None:
    blank = read_number(shipped, np.zeros((280, 280), np.uint8))
    assert (blank.whole.verdict, blank.number) == ("nothing drawn yet", None)


def test_a_canvas_full_of_specks_is_read_in_bounded_time(shipped) -> None:
    ink = np.zeros((280, 280), np.uint8)
    for row_at in range(0, 280, 20):
        for column in range(0, 280, 20):
            ink[row_at : row_at + 8, column : column + 8] = 255
    assert len(take_apart(ink)) <= MOST_PIECES
    read_number(shipped, ink)


@pytest.mark.parametrize("ink", [None, np.zeros((3, 3)), np.zeros((0, 5), np.uint8)])
def test_what_is_no_drawing_is_refused(shipped, ink) -> None:
    with pytest.raises(DrawingError):
        read_number(shipped, ink)
