"""Connected parts, held to a flood fill."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_core.parts import label_parts


def flood_fill(mask: np.ndarray) -> np.ndarray:
    """The same by the slowest way there is: walk from pixel to pixel, corners included."""
    labels = np.zeros(mask.shape, int)
    for row, column in zip(*np.nonzero(mask), strict=True):
        if labels[row, column]:
            continue
        waiting, number = [(row, column)], labels.max() + 1
        while waiting:
            y, x = waiting.pop()
            if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x] and not labels[y, x]:
                labels[y, x] = number
                waiting += [(y + down, x + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return labels


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45, 0.6, 0.9])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (17, 23), (40, 40)])
def test_parts_are_those_of_a_flood_fill(shape, share) -> None:
    mask = np.random.default_rng(round(100 * share)).random(shape) < share
    found, expected = label_parts(mask), flood_fill(mask)
    pairs = {(a, b) for a, b in zip(found.ravel().tolist(), expected.ravel().tolist(), strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}), (
        "the same parts, whatever their names"
    )
    assert ((found == 0) == ~mask).all()
    assert set(np.unique(found[mask]).tolist()) == set(range(1, expected.max() + 1))


def test_an_empty_mask_has_no_parts() -> None:
    assert not label_parts(np.zeros((5, 6), bool)).any()


def test_parts_that_touch_at_a_corner_hang_together_but_not_around_the_edge() -> None:
    corner = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], bool)
    assert label_parts(corner).max() == 1
    around = np.array([[0, 0, 1], [1, 0, 0]], bool)
    assert label_parts(around).max() == 2
