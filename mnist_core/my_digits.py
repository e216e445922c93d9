"""My digits: the labelled drawings of one visit, each either learnt from or held out, and never both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from mnist_core.data import Digits
from mnist_core.drawing import Picture, Pixels, prepare
from mnist_core.errors import DrawingError
from mnist_core.messages import say
from mnist_core.own_digits import OwnDigit, label_drawing

BYTES_EACH = 40_000  # that a drawing may take on the mean; one from the canvas takes a tenth
SAME = 1.0  # grey levels of 255 that two prepared images may differ by, on the mean, and still be of one drawing


@dataclass(frozen=True, eq=False)
class Kept:
    """A labelled drawing among the others.

    Attributes:
        number: by which it is told apart; the later, the higher. digit: the drawing with its label.
        held_out: whether it is only tested with; decided once, so that no network of a visit has learnt from it.
        image: (28, 28) uint8, as networks see it.
    """

    number: int
    digit: OwnDigit
    held_out: bool
    image: NDArray[np.uint8]

    @property
    def label(self) -> int:
        """Which digit it is, 0..9."""
        return self.digit.label

    @cached_property
    def colours(self) -> NDArray[np.uint8]:
        """(3, 32, 32) uint8, as networks for colours see it."""
        prepared = prepare(self.digit.picture, in_colour=True)
        assert prepared.colours is not None
        return as_bytes(prepared.colours)


class MyDigits:
    """The drawings in the order in which they came, `most` at most, and as many times BYTES_EACH.

    Attributes:
        revision: how often they have changed.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.revision = 0
        self._kept: dict[int, Kept] = {}
        self._came = 0
        self._known_by_heart: set[int] = set()  # hashes of images that a network has learnt from

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Kept]:
        return iter([self._kept[number] for number in sorted(self._kept)])

    def __contains__(self, number: int) -> bool:
        return number in self._kept

    @property
    def is_full(self) -> bool:
        """Whether no more can be kept."""
        return len(self) >= self.most or sum(len(kept.digit.png) for kept in self) >= BYTES_EACH * self.most

    @property
    def learnt(self) -> list[Kept]:
        """Those that a network may learn from."""
        return [kept for kept in self if not kept.held_out]

    @property
    def held_out(self) -> list[Kept]:
        """Those that a network is only tested with."""
        return [kept for kept in self if kept.held_out]

    def note_learnt(self) -> None:
        """Note that a network learns from the learnt ones: even removed and brought back, none will be held out."""
        self._known_by_heart |= {hash(kept.image.tobytes()) for kept in self.learnt}

    def find(self, image: Pixels) -> Kept | None:
        """The same drawing, prepared as (28, 28) float32 0..1, if it is kept.

        A canvas that is filled anew draws single pixels otherwise; no hand draws the same twice.
        """
        if not self._kept:
            return None
        kept = list(self._kept.values())
        images = np.stack([one.image for one in kept]).astype(np.int16)  # (N, 28, 28)
        differences = np.abs(images - as_bytes(image)).mean(axis=(1, 2))  # -> (N,)
        nearest = int(differences.argmin())
        return kept[nearest] if differences[nearest] <= SAME else None

    def gather(self, picture: Picture, label: int) -> Kept:
        """Keep a drawing, ink (H, W) uint8 or in colour (H, W, 3), with its label, 0..9; see `add`."""
        return self.add(label_drawing(picture, label))

    def add(self, digit: OwnDigit) -> Kept:
        """Keep a labelled drawing; when it is there already, its label is changed.

        Raises:
            DrawingError: when there are too many; when it is no drawing; when it is blank or a mere dot.
        """
        prepared = prepare(digit.picture)
        if prepared.is_blank or prepared.is_dot:
            raise DrawingError(say("Nothing is drawn on it."))
        known = self.find(prepared.image)
        if known is not None:
            return self.relabel(known.number, digit.label)
        self._make_sure_of_room()
        self._came += 1
        image = as_bytes(prepared.image)
        held_out = hash(image.tobytes()) not in self._known_by_heart and self._holds_out_next(digit.label)
        kept = Kept(self._came, digit, held_out, image)
        self._kept[kept.number] = kept
        self.revision += 1
        return kept

    def _make_sure_of_room(self) -> None:
        if len(self) >= self.most:
            raise DrawingError(say("My digits is full: this server keeps {most:,} for you.", most=self.most))
        if self.is_full:
            raise DrawingError(say("My digits is full: its pictures take too much room. Make yours smaller."))

    def _holds_out_next(self, label: int) -> bool:
        """Whether the next drawing of this label is held out: of each label the second, the fifth, the eighth ..."""
        held_out = [kept.held_out for kept in self._kept.values() if kept.label == label]
        return 2 * sum(held_out) < len(held_out) - sum(held_out)

    def relabel(self, number: int, label: int) -> Kept:
        """Give a drawing another label, 0..9; whether it is held out stays as it was, as it may have been learnt."""
        kept = self._kept[number]
        if kept.label != label:
            kept = self._kept[number] = replace(kept, digit=replace(kept.digit, label=label))
            self.revision += 1
        return kept

    def remove(self, number: int) -> Kept | None:
        """Forget a drawing; what was forgotten, for `put_back`, or None when there was no such."""
        removed = self._kept.pop(number, None)
        self.revision += removed is not None
        return removed

    def put_back(self, kept: Kept) -> None:
        """Take a drawing back to its old place that was removed a moment ago.

        Raises:
            DrawingError: when there are too many by now.
        """
        self._make_sure_of_room()
        self._kept[kept.number] = kept
        self.revision += 1

    def clear(self) -> None:
        """Forget all drawings."""
        self._kept.clear()
        self.revision += 1


def as_bytes(image: Pixels) -> NDArray[np.uint8]:
    """A prepared image, float32 0..1, as uint8 0..255 of the same shape."""
    return np.asarray(np.round(255 * image), dtype=np.uint8)


def digits_of(kept: Sequence[Kept], in_colour: bool = False) -> Digits:
    """Drawings, one at least, as a data set: images (N, 1, 28, 28) uint8, in colour (N, 3, 32, 32), and labels (N,)."""
    images = np.stack([one.colours if in_colour else one.image[None] for one in kept])
    return Digits(torch.from_numpy(images), torch.tensor([one.label for one in kept]))
