"""What is on the canvas, and what somebody who draws on it can do: draw, put something there, take it back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnist_core.drawing import SIZE, Ink, Picture, ink_of
from mnist_ui.session import read_setting
from mnist_ui.undo import Undo

SIDE = 280  # pixels of the canvas; MNIST's 28 times ten


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is on the canvas.

    Attributes:
        picture: ink (H, W) uint8, 255 = pen; or, when there are colours, red, green and blue (H, W, 3) on black paper.
        objects: the strokes, as the canvas describes them.
        sent: the picture as the canvas sent it, a PNG; empty for one that was put there.
    """

    picture: Picture
    objects: tuple[Any, ...] = ()
    sent: bytes = b""

    @property
    def ink(self) -> Ink:
        """(H, W) uint8, 255 = pen, whatever its colour."""
        return ink_of(self.picture)

    @property
    def is_from_mnist(self) -> bool:
        """Whether an image of the data set lies on it, and not only what its visitor drew or photographed."""
        images = (one for one in self.objects if isinstance(one, dict) and str(one.get("type")).lower() == "image")
        return any(one.get("width") == SIZE for one in images)


def blank_drawing() -> Drawing:
    """An empty canvas."""
    return Drawing(np.zeros((SIDE, SIDE), np.uint8))


@dataclass(eq=False)
class Drawer:
    """Somebody who draws."""

    drawing: Drawing = field(default_factory=blank_drawing)
    undo: Undo = field(default_factory=Undo)
    canvas_start: tuple[Any, ...] = ()  # the strokes that the canvas was last filled with
    canvas_revision: int = 0  # how often it was filled from here
    last_sent: bytes = b""
    canvas_lost_at: int | None = None  # the last loss that was made good
    pen: str = "#ff9f1c"  # its colour, once digits are in colour
    photos_put: int = 0  # how many pictures were read and put onto the canvas
    photo_problem: str = ""  # why the last one was not
    drawing_in_lesson: Drawing | None = None  # the one that the open lesson shows; None before, or when it shows none

    @property
    def in_colour(self) -> bool:
        """Whether digits are in colour: as the switch says."""
        return bool(read_setting("colour"))

    def draw(self, drawing: Drawing) -> None:
        """Take over what the canvas has sent: a stroke more, or else its own view of what was put there."""
        if len(drawing.objects) != len(self.drawing.objects):
            self._remember()
        self.drawing = drawing
        self.last_sent = drawing.sent

    def put(self, drawing: Drawing) -> None:
        """Put a drawing onto the canvas."""
        self._remember()
        self._fill(drawing)

    def take_back(self) -> None:
        """Undo the last stroke, clearing or example."""
        if self.undo:
            self._fill(Drawing(*self.undo.pop()))

    def refill(self) -> None:
        """Fill the canvas, which is a new one, with the drawing that is there."""
        self._fill(self.drawing)

    def refill_if_lost(self, lost_at: int | None) -> None:
        """Fill the canvas again when the browser tells of a loss that has not been made good."""
        if lost_at not in (None, self.canvas_lost_at):
            self.canvas_lost_at = lost_at
            self.refill()

    def _remember(self) -> None:
        self.undo.push(self.drawing.picture, self.drawing.objects)

    def _fill(self, drawing: Drawing) -> None:
        self.drawing = drawing
        self.canvas_start = drawing.objects
        self.canvas_revision += 1
