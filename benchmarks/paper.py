"""The canvas of a tab without a browser: strokes as objects and as a picture, in the form in which it sends them."""

from __future__ import annotations

import base64
import io
import json
from itertools import pairwise
from typing import Any

from PIL import Image, ImageDraw

SIDE, PEN = 280, 20  # pixels: of the canvas, and of its pen
WHITE = (255, 255, 255, 255)
Point = tuple[float, float]

# What the canvas tells of every stroke besides its path and place.
STROKE: dict[str, Any] = {
    **dict.fromkeys(("lockMovementX", "lockMovementY", "lockRotation", "lockScalingX", "lockScalingY"), False),
    **dict.fromkeys(("lockSkewingX", "lockSkewingY", "lockScalingFlip"), False),
    **{"type": "Path", "version": "7.4.0", "originX": "center", "originY": "center", "fill": None},
    **{"stroke": "#ffffff", "strokeWidth": PEN, "strokeDashArray": None, "strokeLineCap": "round"},
    **{"strokeDashOffset": 0, "strokeLineJoin": "round", "strokeUniform": False, "strokeMiterLimit": 10},
    **{"scaleX": 1, "scaleY": 1, "angle": 0, "flipX": False, "flipY": False, "opacity": 1, "shadow": None},
    **{"visible": True, "backgroundColor": "", "fillRule": "nonzero", "paintFirst": "fill"},
    **{"globalCompositeOperation": "source-over", "skewX": 0, "skewY": 0},
}


class Paper:
    """What is drawn.

    Attributes:
        is_touched: whether anything was drawn since the page was loaded: before that the canvas tells of nothing.
    """

    def __init__(self) -> None:
        self.is_touched = False
        self._data = self._colour = ""
        self._objects: list[dict[str, Any]] = []
        self._picture = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 255))

    def fill(self, data: str) -> bool:
        """Take in what the server has told the canvas, as JSON; whether it has filled itself anew, and is to tell."""
        if data == self._data:
            return False
        self._data, told = data, json.loads(data)
        if told["backgroundColor"] == self._colour:
            return False
        self._colour, self._objects = told["backgroundColor"], list(told["initialDrawing"]["objects"])
        self._picture.paste((0, 0, 0, 255), (0, 0, SIDE, SIDE))
        for one in self._objects:
            if one["type"] == "Path":
                self._ink([step[-2:] for step in one["path"]])
            else:
                picture = Image.open(io.BytesIO(base64.b64decode(one["src"].split(",")[1])))
                self._picture.paste(picture.convert("RGBA").resize((SIDE, SIDE)))
        return self.is_touched

    def draw(self, stroke: list[Point]) -> None:
        """One stroke more, of two points or more."""
        self.is_touched = True
        path: list[list[Any]] = [["M", *stroke[0]]]
        path += [["Q", *a, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2] for a, b in pairwise(stroke)]
        path.append(["L", *stroke[-1]])
        xs, ys = [x for x, _ in stroke], [y for _, y in stroke]
        place = {"left": (min(xs) + max(xs)) / 2, "top": (min(ys) + max(ys)) / 2}
        size = {"width": max(xs) - min(xs), "height": max(ys) - min(ys)}
        self._objects.append({**STROKE, **place, **size, "path": path})
        self._ink([step[-2:] for step in path])

    def _ink(self, points: list[Any]) -> None:
        pen = ImageDraw.Draw(self._picture)
        places = [tuple(point) for point in points]
        pen.line(places, fill=WHITE, width=PEN, joint="curve")
        for x, y in (places[0], places[-1]):
            pen.ellipse((x - PEN / 2, y - PEN / 2, x + PEN / 2, y + PEN / 2), fill=WHITE)

    def as_json(self) -> str:
        """The state of the component."""
        png = io.BytesIO()
        self._picture.save(png, format="PNG")
        picture = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
        raw = {"version": "7.4.0", "objects": self._objects, "background": self._colour}
        return json.dumps({"drawing": {"raw": raw, "data": picture}}, separators=(",", ":"))
