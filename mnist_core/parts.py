"""The connected parts of a mask: what hangs together, corners included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]  # (H, W)
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """A mask as its horizontal runs, each with the part it belongs to; there are far fewer of them than pixels.

    Attributes:
        rows, starts, ends: (R,) where each run lies; `ends` is exclusive.
        part: (R,) the number of its part, 0..P-1.
    """

    rows: Numbers
    starts: Numbers
    ends: Numbers
    part: Numbers

    def drawn(self, chosen: Sequence[int], shape: tuple[int, ...]) -> Mask:
        """The chosen parts as a mask (H, W)."""
        among = np.isin(self.part, chosen)
        change = np.zeros((shape[0], shape[1] + 1), np.int8)
        change[self.rows[among], self.starts[among]] = 1
        change[self.rows[among], self.ends[among]] = -1
        return np.cumsum(change[:, :-1], axis=1, dtype=np.int8) > 0


def connected_runs(mask: Mask) -> Runs:
    """The runs of a mask (H, W), and which of them hang together."""
    height, width = mask.shape
    padded = np.zeros((height, width + 2), np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)  # (H, W + 1)
    rows, starts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]
    part = joined(rows * (width + 2) + starts, rows * (width + 2) + ends, width + 2)
    return Runs(rows, starts, ends, part)


def label_parts(mask: Mask) -> Numbers:
    """The number of the part at each pixel, 1, 2, ..., and 0 where the mask is not: (H, W)."""
    runs = connected_runs(mask)
    change = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int64)
    change[runs.rows, runs.starts] += runs.part + 1
    change[runs.rows, runs.ends] -= runs.part + 1
    return np.cumsum(change, axis=1)[:, :-1]


def joined(starts: Numbers, ends: Numbers, width: int) -> Numbers:
    """The number of the part that each run (R,) belongs to, given where it starts and ends in rows of this width.

    Runs that touch are joined by giving both the lower name, until no name changes.
    """
    first = np.searchsorted(ends, starts + width, "left")  # the runs below that touch this one
    last = np.searchsorted(starts, ends + width, "right")
    counts = last - first
    above = np.repeat(np.arange(starts.size), counts)
    below = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    names = np.arange(starts.size)
    while (names[above] != names[below]).any():
        low, high = np.minimum(names[above], names[below]), np.maximum(names[above], names[below])
        np.minimum.at(names, high, low)
        while (names != names[names]).any():
            names = names[names]
    return np.unique(names, return_inverse=True)[1]
