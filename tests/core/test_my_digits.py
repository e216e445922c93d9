"""The labelled drawings of a visit: what is kept, what is held out, and what becomes of it in a store."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mnist_core import prepare
from mnist_core.contribution import Contribution
from mnist_core.drawing import Picture
from mnist_core.errors import DigitPlaygroundError, DrawingError
from mnist_core.messages import say
from mnist_core.my_digits import BYTES_EACH, MyDigits, digits_of
from mnist_core.own_digits import OwnDigit, label_drawing
from mnist_core.styles import draw_digit


def drawn(label: int, seed: int) -> Picture:
    return draw_digit(label, np.random.default_rng(seed))


def gathered(labels: list[int], most: int = 100) -> MyDigits:
    digits = MyDigits(most)
    for seed, label in enumerate(labels):
        digits.gather(drawn(label, seed), label)
    return digits


def test_what_is_kept_is_what_was_drawn_and_what_a_network_sees() -> None:
    digits = gathered([7, 3])
    first, second = digits
    assert [first.label, second.label, len(digits)] == [7, 3, 2]
    assert np.array_equal(first.digit.picture, drawn(7, 0))
    seen = digits_of([first, second])
    assert seen.labels.tolist() == [7, 3]
    for image, (label, seed) in zip(seen.images, [(7, 0), (3, 1)], strict=True):
        assert np.abs(image[0].numpy() / 255 - prepare(drawn(label, seed)).image).max() <= 0.5 / 255


def test_a_network_for_colours_sees_the_colours() -> None:
    grey = drawn(4, 0)
    picture = np.stack([grey, grey // 2, np.zeros_like(grey)], axis=2)
    digits = MyDigits(5)
    kept = digits.gather(picture, 4)
    seen = digits_of([kept], in_colour=True)
    assert seen.images.shape == (1, 3, 32, 32)
    expected = prepare(picture, in_colour=True).colours
    assert np.abs(seen.images[0].numpy() / 255 - expected).max() <= 0.5 / 255
    assert seen.images[0, 0].sum() > seen.images[0, 1].sum() > seen.images[0, 2].sum() == 0


def test_of_each_label_the_second_the_fifth_the_eighth_is_held_out() -> None:
    digits = gathered([5] * 9 + [2, 2, 2])
    assert [kept.held_out for kept in digits] == [number in (2, 5, 8, 11) for number in range(1, 13)]
    assert [kept.number for kept in digits.held_out] == [2, 5, 8, 11]
    assert len(digits.learnt) == 8


def test_the_same_drawing_is_relabelled_and_not_kept_twice() -> None:
    digits = gathered([1, 1])
    first, second = digits
    again = digits.gather(drawn(1, 1), 7)
    assert (again.number, again.label, again.held_out) == (second.number, 7, second.held_out)
    assert [kept.label for kept in digits] == [1, 7]
    assert digits.find(prepare(drawn(1, 0)).image) is first
    assert digits.find(prepare(drawn(1, 2)).image) is None
    assert MyDigits(3).find(prepare(drawn(1, 0)).image) is None


def test_a_drawing_that_is_relabelled_removed_or_put_back_keeps_its_part() -> None:
    digits = gathered([6, 6, 6])
    held_out = digits.held_out[0]
    revision = digits.revision
    digits.relabel(held_out.number, 0)
    digits.relabel(held_out.number, 0)
    assert digits.revision == revision + 1
    removed = digits.remove(held_out.number)
    assert removed is not None
    assert removed.held_out
    assert [kept.number for kept in digits] == [1, 3]
    assert digits.remove(held_out.number) is None
    assert held_out.number not in digits
    digits.put_back(removed)
    assert [(kept.number, kept.label, kept.held_out) for kept in digits] == [(1, 6, False), (2, 0, True), (3, 6, False)]
    digits.clear()
    assert not len(digits)


def test_what_was_learnt_is_not_held_out_when_it_comes_back() -> None:
    digits = gathered([6, 6, 6])
    digits.note_learnt()
    first, held_out = list(digits)[:2]
    for kept in (first, held_out):
        digits.remove(kept.number)
    assert not digits.add(first.digit).held_out
    assert digits.add(held_out.digit).held_out


def test_a_full_collection_says_so_and_still_relabels() -> None:
    digits = gathered([1, 2], most=2)
    assert digits.is_full
    with pytest.raises(DrawingError, match=r"My digits is full: this server keeps 2 for you\."):
        digits.gather(drawn(3, 9), 3)
    assert digits.gather(drawn(2, 1), 5).label == 5
    removed = digits.remove(1)
    digits.gather(drawn(4, 8), 4)
    with pytest.raises(DrawingError, match="full"):
        digits.put_back(removed)


def test_pictures_that_take_much_room_fill_a_collection_sooner() -> None:
    digits = gathered([1], most=2)
    removed = digits.remove(1)
    noise = np.random.default_rng(0).integers(0, 255, (400, 400), np.uint8)
    noise[:40] = noise[-40:] = 0
    assert len(label_drawing(noise, 3).png) > 2 * BYTES_EACH
    digits.gather(noise, 3)
    with pytest.raises(DrawingError, match="its pictures take too much room"):
        digits.gather(drawn(4, 8), 4)
    assert digits.is_full
    with pytest.raises(DrawingError, match="its pictures take too much room"):
        digits.put_back(removed)
    digits.remove(2)
    digits.put_back(removed)
    assert [kept.label for kept in digits] == [1]


def test_a_blank_drawing_and_a_dot_are_not_kept() -> None:
    digits = MyDigits(3)
    with pytest.raises(DrawingError, match="Nothing is drawn on it"):
        digits.add(label_drawing(np.zeros((280, 280), np.uint8), 3))
    dot = np.zeros((280, 280), np.uint8)
    dot[100:120, 100:120] = 255
    with pytest.raises(DrawingError, match="Nothing is drawn on it"):
        digits.gather(dot, 3)
    with pytest.raises(DrawingError, match="no PNG"):
        digits.add(OwnDigit(b"something", 3))
    assert (len(digits), digits.revision) == (0, 0)


class Shelf:
    """A store in memory, which can be made to fail after so many changes."""

    def __init__(self) -> None:
        self.kept: dict[int, OwnDigit] = {}
        self.changes = 0
        self.fails_at: int | None = None

    def _change(self) -> None:
        if self.changes == self.fails_at:
            raise DigitPlaygroundError(say("The disk is full."))
        self.changes += 1

    def add(self, own: OwnDigit) -> int:
        self._change()
        self.kept[self.changes] = own
        return self.changes

    def relabel(self, number: int, label: int) -> None:
        self._change()
        self.kept[number] = OwnDigit(self.kept[number].png, label)

    def remove(self, number: int) -> None:
        self._change()
        del self.kept[number]

    @property
    def labels(self) -> list[int]:
        return [digit.label for digit in self.kept.values()]


def test_nothing_is_stored_before_its_author_agrees() -> None:
    shelf, digits, contribution = Shelf(), gathered([1, 2]), Contribution()
    contribution.follow(pytest.fail, digits)  # it is not even opened
    contribution.decide(False)
    contribution.follow(pytest.fail, digits)
    assert shelf.changes == 0


def test_the_store_follows_what_is_added_relabelled_removed_and_withdrawn() -> None:
    shelf, digits, contribution = Shelf(), gathered([1, 2]), Contribution()
    others = shelf.add(label_drawing(drawn(9, 99), 9))
    contribution.decide(True)
    contribution.follow(lambda: shelf, digits)
    assert shelf.labels == [9, 1, 2]
    digits.relabel(2, 7)
    digits.remove(1)
    digits.gather(drawn(3, 5), 3)
    contribution.follow(lambda: shelf, digits)
    assert shelf.labels == [9, 7, 3]
    assert len(contribution) == 2
    changes = shelf.changes
    contribution.follow(lambda: shelf, digits)
    assert shelf.changes == changes
    contribution.decide(False)
    contribution.follow(lambda: shelf, digits)
    assert list(shelf.kept) == [others]
    assert len(digits) == 2


def test_a_store_that_fails_is_told_of_and_what_is_left_is_done_the_next_time() -> None:
    shelf, digits, contribution = Shelf(), gathered([1, 2, 3]), Contribution()
    shelf.fails_at = 2
    contribution.decide(True)
    contribution.follow(lambda: shelf, digits)
    assert contribution.problem == "The disk is full."
    assert (shelf.labels, len(digits)) == ([1, 2], 3)
    shelf.fails_at = None
    contribution.follow(lambda: shelf, digits)
    assert contribution.problem == "The disk is full."
    contribution.try_again()
    contribution.follow(lambda: shelf, digits)
    assert contribution.problem is None
    assert shelf.labels == [1, 2, 3]


def test_a_store_that_cannot_be_opened_is_told_of_once() -> None:
    digits, contribution = gathered([1]), Contribution()
    opened = []

    def open_store() -> Shelf:
        opened.append(1)
        raise DigitPlaygroundError(say("It is in use by others."))

    contribution.decide(True)
    contribution.follow(open_store, digits)
    contribution.follow(open_store, digits)
    assert (contribution.problem, len(opened)) == ("It is in use by others.", 1)
    digits.relabel(1, 2)
    shelf = Shelf()
    contribution.follow(lambda: shelf, digits)
    assert (contribution.problem, shelf.labels) == (None, [2])


def test_digits_of_shapes_and_types() -> None:
    seen = digits_of(list(gathered([1, 2, 3])))
    assert (seen.images.shape, seen.images.dtype, seen.labels.dtype) == ((3, 1, 28, 28), torch.uint8, torch.int64)
