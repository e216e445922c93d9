"""Many small pictures in one."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_core.lessons.tiles import rows_of, tile, tile_box

GAP = np.nan


def test_maps_lie_side_by_side_with_a_gap_between_them() -> None:
    maps = np.arange(1, 4, dtype=np.float32)[:, None, None] * np.ones((1, 1, 2), np.float32)
    np.testing.assert_array_equal(tile(maps, 2), [[1, 1, GAP, 2, 2], [GAP] * 5, [3, 3, GAP, GAP, GAP]])
    np.testing.assert_array_equal(tile(maps, 9), [[1, 1, GAP, 2, 2, GAP, 3, 3]])


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (1, 8), (7, 3), (16, 4)])
def test_the_box_of_a_map_holds_that_map(count, columns) -> None:
    maps = np.arange(count * 6, dtype=np.float32).reshape(count, 3, 2)
    picture = tile(maps, columns)
    for number in range(count):
        left, top, right, bottom = tile_box(number, columns, (3, 2))
        np.testing.assert_array_equal(picture[top:bottom, left:right], maps[number])


def test_numbers_lie_in_rows_and_the_last_one_is_filled_up() -> None:
    np.testing.assert_array_equal(rows_of(np.arange(5, dtype=np.float32), 3), [[0, 1, 2], [3, 4, GAP]])
    np.testing.assert_array_equal(rows_of(np.arange(2, dtype=np.float32), 3), [[0, 1]])
