"""What was on the canvas before, packed: a visitor's thirty drawings take no more than a picture or two would."""

from __future__ import annotations

import json
import zlib
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnist_core.drawing import Picture

MOST_UNDO = 30
LARGEST_UNDO = 2 * 2**20  # bytes of all of them together; a drawn digit takes about 10,000, a photograph 100,000
FAST = 1  # zlib's level: a drawing is packed in a millisecond


@dataclass(frozen=True)
class PackedDrawing:
    """A picture (H, W) or (H, W, 3) uint8 and its strokes, each compressed."""

    shape: tuple[int, ...]
    picture: bytes
    objects: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.picture) + len(self.objects)


class Undo:
    """The last drawings, the newest last; of too many, or too large ones, the oldest are forgotten."""

    def __init__(self) -> None:
        self._drawings: deque[PackedDrawing] = deque()

    def __len__(self) -> int:
        return len(self._drawings)

    @property
    def size(self) -> int:
        """Bytes of all of them together."""
        return sum(drawing.size for drawing in self._drawings)

    def push(self, picture: Picture, objects: tuple[Any, ...]) -> None:
        """Keep a drawing: its picture, (H, W) or (H, W, 3) uint8, and its strokes as the canvas describes them."""
        strokes = json.dumps(objects).encode()
        packed = zlib.compress(np.ascontiguousarray(picture), FAST), zlib.compress(strokes, FAST)
        self._drawings.append(PackedDrawing(picture.shape, *packed))
        while len(self._drawings) > MOST_UNDO or self.size > LARGEST_UNDO:
            self._drawings.popleft()

    def pop(self) -> tuple[Picture, tuple[Any, ...]]:
        """The newest, with its strokes; it is no longer kept.

        Raises:
            IndexError: when there is none.
        """
        packed = self._drawings.pop()
        pixels = np.frombuffer(zlib.decompress(packed.picture), np.uint8)
        return pixels.reshape(packed.shape), tuple(json.loads(zlib.decompress(packed.objects)))
