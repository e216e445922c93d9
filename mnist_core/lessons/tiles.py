"""Many small pictures in one, as a lesson shows the feature maps of a layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def count_in_rows(count: int, columns: int) -> int:
    """How many rows so many things need."""
    return -(-count // columns)


def tile(maps: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Maps (K, H, W) side by side in one picture, with a gap of one pixel that holds NaN."""
    count, height, width = maps.shape
    columns = min(columns, count)
    rows = count_in_rows(count, columns)
    picture = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan, np.float32)
    for number, one in enumerate(maps):
        left, top, right, bottom = tile_box(number, columns, (height, width))
        picture[top:bottom, left:right] = one
    return picture


def tile_box(number: int, columns: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where a map of (height, width) lies in a picture from `tile`: left, top, right, bottom, exclusive."""
    (row, column), (height, width) = divmod(number, columns), size
    left, top = column * (width + 1), row * (height + 1)
    return left, top, left + width, top + height


def rows_of(numbers: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Numbers (F,) as a picture of so many columns, one a pixel; what is left of the last row holds NaN."""
    columns = min(columns, len(numbers))
    picture = np.full(count_in_rows(len(numbers), columns) * columns, np.nan, np.float32)
    picture[: len(numbers)] = numbers
    return picture.reshape(-1, columns)
