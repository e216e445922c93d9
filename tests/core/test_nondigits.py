"""The generator of drawings that are no digit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mnist_core.nondigits import KINDS, NO_DIGIT, make_non_digits


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_inside_the_canvas_and_never_twice_alike(kind: str) -> None:
    chance = np.random.default_rng(0)
    drawings = [KINDS[kind](chance) for _ in range(30)]
    for ink in drawings:
        assert (ink.shape, ink.dtype, ink.max()) == ((112, 112), np.uint8, 255)
        assert ink[0].max() == ink[-1].max() == ink[:, 0].max() == ink[:, -1].max() == 0
    assert len({ink.tobytes() for ink in drawings}) == 30


def test_they_all_carry_the_label_after_the_digits_and_depend_on_the_seed_alone() -> None:
    first, again, other = make_non_digits(70, seed=1), make_non_digits(70, seed=1), make_non_digits(70, seed=2)
    assert first.labels.tolist() == [NO_DIGIT] * 70 == [10] * 70
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)
