"""Strokes: lines through a few points, bent as hands bend them, drawn with a round pen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mnist_core.data import Digits
from mnist_core.drawing import Ink, prepare

Points = NDArray[np.float64]  # (N, 2): x to the right, y downwards
Shape = Sequence[Sequence[tuple[float, float]]]  # strokes, each a few points that a smooth line goes through; box 0..1

CANVAS = 112  # pixels; large enough that 20 x 20 is anti-aliased from it
FILLED = 0.7  # of the canvas, by the longer side of what is drawn


@dataclass(frozen=True)
class Hand:
    """How much a writer's lines differ from the model: means and standard deviations, or least and most."""

    slant: tuple[float, float]  # mean and standard deviation of the shift per unit of height
    turn: float  # standard deviation, in radians
    wide: tuple[float, float]  # least and most, of the width, the height being 1
    waves: float  # standard deviation of slow bends, in units of the box
    tremors: tuple[float, ...]  # standard deviation of fast shaking; one of these
    # Least and most, in pixels of 112: from a ballpoint's line in a photograph, past brushes from 8 on digits that fill
    # nearly all of 280 (2.8), to those of 40 on a third of it.
    pens: tuple[float, float] = (1.0, 31.0)


LOOSE = Hand(slant=(0.15, 0.32), turn=0.12, wide=(0.4, 1.2), waves=0.03, tremors=(0, 0, 0.004, 0.01))
# What people drew is bent already: a little more is as others would have drawn it.
STEADY = Hand(slant=(0.15, 0.3), turn=0.1, wide=(0.75, 1.25), waves=0.012, tremors=(0, 0, 0, 0.005))


def sketch(shape: Shape, chance: np.random.Generator) -> list[Points]:
    """A shape as smooth lines, its points moved a little at random; one that stands twice stays a corner."""
    control = [np.array(stroke, float) for stroke in shape]
    control = [points + chance.normal(0, 0.035, points.shape) * unrepeated(points) for points in control]
    return [smooth(points) for points in control]


def sketch_one(ways: Sequence[Shape], chance: np.random.Generator) -> list[Points]:
    """One of several ways to draw something, each as likely as the others, as smooth lines."""
    return sketch(ways[int(chance.integers(len(ways)))], chance)


def draw(lines: list[Points], chance: np.random.Generator, hand: Hand) -> Ink:
    """Lines as some hand draws them, with a pen of some width: (112, 112) uint8, 255 = pen."""
    return rasterize(place(bend(lines, chance, hand)), math.exp(chance.uniform(*np.log(hand.pens))))


def as_digits(drawings: Iterable[Ink], labels: Sequence[int]) -> Digits:
    """Drawings (H, W) as the network sees them: images (N, 1, 28, 28) uint8, with their labels (N,)."""
    images = np.stack([np.round(255 * prepare(ink).image).astype(np.uint8) for ink in drawings])
    return Digits(torch.from_numpy(images)[:, None], torch.tensor(labels))  # (N, 28, 28) -> (N, 1, 28, 28)


def unrepeated(points: Points) -> Points:
    """1 for each point but 0 for those that make a corner, which must stay together: (N, 2) -> (N, 1)."""
    same = (points[1:] == points[:-1]).all(axis=1)
    corner = np.append(same, False) | np.append(False, same)
    return np.where(corner, 0.0, 1.0)[:, None]


def smooth(points: Points) -> Points:
    """A line through all points (Catmull and Rom, 1974), with a corner where one stands twice: (N, 2) -> (M, 2)."""
    corners = np.flatnonzero((points[1:] == points[:-1]).all(axis=1)) + 1
    pieces = [piece for piece in np.split(points, corners) if len(piece) > 1]
    return np.concatenate([through(piece) for piece in pieces])


def through(points: Points, samples: int = 10) -> Points:
    """One Catmull-Rom spline: (N, 2) -> (samples * (N - 1) + 1, 2)."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    at = np.arange(samples)[:, None] / samples  # (S, 1), 0..1 along each segment
    segments = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        segments.append(b + at / 2 * (c - a + at * (2 * a - 5 * b + 4 * c - d + at * (3 * (b - c) + d - a))))
    return np.concatenate([*segments, points[-1:]])


def bend(lines: Sequence[Points], chance: np.random.Generator, hand: Hand) -> list[Points]:
    """Slant, turn, stretch and shake all lines together, as this hand might; lines in a box of about 0..1."""
    slant, angle, wide = chance.normal(*hand.slant), chance.normal(0, hand.turn), chance.uniform(*hand.wide)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.array([[wide, -slant], [0, 1]])
    waves, phases = chance.normal(0, hand.waves, (2, 2)), chance.uniform(0, 2 * math.pi, (2, 2))
    tremor = chance.choice(hand.tremors)
    bent = []
    for line in lines:
        swung = line + np.stack([waves[k] @ np.sin(5 * line.T + phases[k][:, None]) for k in (0, 1)], axis=1)
        bent.append(swung @ linear.T + chance.normal(0, tremor, line.shape))
    return bent


def place(lines: Sequence[Points], side: int = CANVAS, size: float = FILLED * CANVAS) -> list[Points]:
    """Lines scaled so that the longer side of their box has `size` pixels, in the middle of a canvas."""
    low, extent = box(lines)
    scale = size / max(extent.max(), 1e-9)
    return [side / 2 + (line - low - extent / 2) * scale for line in lines]


def box(lines: Sequence[Points]) -> tuple[Points, Points]:
    """The upper left corner (2,) of the smallest box around all lines, and its width and height (2,)."""
    points = np.concatenate(lines)
    return points.min(axis=0), np.ptp(points, axis=0)


def break_line(line: Points, chance: np.random.Generator) -> list[Points]:
    """A line with a gap somewhere, as a fast stroke leaves it."""
    at = chance.integers(1, max(2, len(line) - 2))
    return [piece for piece in (line[:at], line[at + 1 :]) if len(piece) > 1]


def rasterize(lines: Sequence[Points], width: float, side: int = CANVAS) -> Ink:
    """Lines in pixels drawn with a round pen: (side, side) uint8, anti-aliased by drawing at twice the size."""
    picture = Image.new("L", (2 * side, 2 * side))
    pen = ImageDraw.Draw(picture)
    for line in lines:
        points = [(2 * x, 2 * y) for x, y in line.tolist()]
        pen.line(points, fill=255, width=max(1, round(2 * width)))
        for x, y in points:
            pen.ellipse([x - width, y - width, x + width, y + width], fill=255)
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))
