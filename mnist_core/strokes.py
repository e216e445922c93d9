"""Digits as people around the world write them, made from strokes: styles that MNIST, from one country, lacks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mnist_core.data import Digits
from mnist_core.drawing import Ink, prepare

Points = NDArray[np.float64]  # (N, 2): x to the right, y downwards
Style = Sequence[Sequence[tuple[float, float]]]  # strokes, each a few points that a smooth line goes through; box 0..1

OVAL = [(0.5, 0), (0.18, 0.14), (0.05, 0.5), (0.18, 0.86), (0.5, 1), (0.82, 0.86), (0.95, 0.5), (0.82, 0.14), (0.5, 0)]

# A point that stands twice is a corner. Every style is as likely as the others of its digit.
STYLES: dict[int, list[Style]] = {
    0: [
        [[(0.5, 0), (0.1, 0.25), (0.05, 0.6), (0.45, 1), (0.9, 0.7), (0.9, 0.3), (0.5, 0)]],
        [[(0.6, 0.05), (0.15, 0.2), (0.1, 0.75), (0.5, 1), (0.85, 0.75), (0.85, 0.25), (0.4, 0)]],
        [OVAL],
        [OVAL, [(0.95, 0), (0.05, 1)]],  # slashed
        [OVAL, [(0.72, 0.22), (0.28, 0.78)]],  # slashed inside
        [OVAL, [(0.48, 0.48), (0.52, 0.52)]],  # dotted
    ],
    1: [
        [[(0.5, 0), (0.5, 1)]],
        [[(0.6, 0), (0.5, 0.5), (0.4, 1)]],
        [[(0.35, 0.2), (0.55, 0), (0.55, 0), (0.55, 1)]],  # short flag
        [[(0.2, 0.3), (0.4, 0.2), (0.6, 0), (0.6, 0), (0.5, 1)]],  # bent flag
        [[(0.05, 0.35), (0.35, 0.25), (0.65, 0), (0.65, 0), (0.45, 1)]],
        [[(0.15, 0.45), (0.6, 0), (0.6, 0), (0.6, 1)]],  # long flag
        [[(0.05, 0.6), (0.65, 0), (0.65, 0), (0.6, 1)]],  # longer
        [[(0.3, 0.4), (0.35, 0.25), (0.55, 0), (0.58, 0.1), (0.5, 0.5), (0.4, 1)]],  # flag without a corner
        [[(0.5, 0), (0.5, 1)], [(0.2, 1), (0.8, 1)]],  # foot
        [[(0.3, 0.2), (0.5, 0), (0.5, 0), (0.5, 1)], [(0.2, 1), (0.8, 1)]],  # flag and foot
        [[(0.2, 0.35), (0.5, 0), (0.5, 0), (0.5, 1), (0.5, 1)], [(0.1, 1), (0.9, 1)]],
        [[(0.25, 0.3), (0.55, 0), (0.55, 0), (0.5, 1), (0.5, 1), (0.15, 1), (0.15, 1), (0.9, 0.97)]],  # in one stroke
    ],
    2: [
        [[(0.1, 0.25), (0.45, 0), (0.85, 0.25), (0.55, 0.6), (0.05, 1), (0.05, 1), (0.95, 1)]],
        [[(0.1, 0.2), (0.5, 0), (0.85, 0.3), (0.4, 0.75), (0.1, 0.95), (0.2, 0.75), (0.5, 0.9), (0.95, 0.95)]],  # loop
        [[(0.1, 0.05), (0.8, 0.05), (0.8, 0.05), (0.1, 1), (0.1, 1), (0.9, 1)]],  # like a Z
        [[(0.15, 0.3), (0.4, 0), (0.8, 0.2), (0.6, 0.6), (0.1, 0.95), (0.4, 0.85), (0.7, 1), (0.95, 0.85)]],
    ],
    3: [
        [[(0.1, 0.1), (0.5, 0), (0.85, 0.22), (0.4, 0.47), (0.4, 0.47), (0.9, 0.72), (0.5, 1), (0.05, 0.88)]],
        [[(0.1, 0), (0.85, 0), (0.85, 0), (0.4, 0.42), (0.4, 0.42), (0.9, 0.7), (0.5, 1), (0.05, 0.9)]],  # flat top
        [[(0.15, 0.15), (0.55, 0), (0.8, 0.25), (0.35, 0.5), (0.3, 0.45), (0.85, 0.7), (0.45, 1), (0.1, 0.85)]],
    ],
    4: [
        [[(0.15, 0), (0.1, 0.55), (0.1, 0.55), (0.9, 0.55)], [(0.75, 0.1), (0.7, 1)]],  # open
        [[(0.3, 0), (0.05, 0.6), (0.05, 0.6), (0.95, 0.6)], [(0.7, 0.25), (0.65, 1)]],
        [[(0.65, 0), (0.05, 0.65), (0.05, 0.65), (0.95, 0.65)], [(0.65, 0), (0.65, 1)]],  # closed
        [[(0.65, 1), (0.65, 0), (0.65, 0), (0.05, 0.65), (0.05, 0.65), (0.95, 0.65)]],  # in one stroke
        [[(0.1, 0.05), (0.15, 0.45), (0.5, 0.55), (0.8, 0.45)], [(0.8, 0), (0.75, 1)]],  # round
    ],
    5: [
        [[(0.2, 0), (0.15, 0.4), (0.15, 0.4), (0.55, 0.38), (0.9, 0.68), (0.5, 1), (0.05, 0.9)], [(0.2, 0), (0.9, 0)]],
        [[(0.9, 0), (0.2, 0), (0.2, 0), (0.15, 0.45), (0.15, 0.45), (0.6, 0.4), (0.9, 0.7), (0.5, 1), (0.05, 0.9)]],
        [[(0.9, 0.02), (0.3, 0.05), (0.15, 0.35), (0.7, 0.5), (0.75, 0.85), (0.4, 1), (0.05, 0.9)]],  # like an S
        [[(0.25, 0.1), (0.2, 0.45), (0.2, 0.45), (0.7, 0.5), (0.75, 0.85), (0.1, 0.95)], [(0.3, 0.05), (0.95, 0.0)]],
    ],
    6: [
        [[(0.75, 0), (0.25, 0.35), (0.1, 0.75), (0.5, 1), (0.85, 0.75), (0.5, 0.5), (0.15, 0.7)]],
        [[(0.4, 0), (0.1, 0.5), (0.15, 0.9), (0.6, 1), (0.8, 0.75), (0.5, 0.6), (0.15, 0.75)]],
        [[(0.9, 0.05), (0.3, 0.2), (0.1, 0.7), (0.5, 1), (0.9, 0.7), (0.5, 0.45), (0.12, 0.65)]],
        [[(0.15, 0), (0.1, 0.7), (0.45, 1), (0.8, 0.8), (0.5, 0.55), (0.1, 0.8)]],  # straight back
    ],
    7: [
        [[(0.05, 0.03), (0.9, 0), (0.9, 0), (0.35, 1)]],
        [[(0.05, 0.03), (0.9, 0), (0.9, 0), (0.4, 1)], [(0.3, 0.5), (0.85, 0.48)]],  # bar
        [[(0.05, 0.2), (0.1, 0), (0.1, 0), (0.9, 0.02), (0.9, 0.02), (0.4, 1)]],  # hook
        [[(0.1, 0.25), (0.1, 0.02), (0.1, 0.02), (0.9, 0), (0.9, 0), (0.45, 1)], [(0.3, 0.52), (0.9, 0.5)]],  # both
        [[(0.05, 0.1), (0.4, 0), (0.9, 0.05), (0.65, 0.4), (0.5, 1)]],  # curved
        [[(0.05, 0.1), (0.5, 0.1), (0.9, 0), (0.9, 0), (0.5, 0.5), (0.4, 1)], [(0.25, 0.55), (0.8, 0.45)]],
        [[(0.1, 0.15), (0.3, 0), (0.6, 0.08), (0.85, 0), (0.75, 0.4), (0.5, 1)], [(0.2, 0.6), (1, 0.55)]],  # wave
        [[(0.15, 0.2), (0.25, 0), (0.75, 0.05), (0.7, 0.4), (0.35, 1)], [(0.25, 0.6), (0.6, 0.5), (1, 0.6)]],
    ],
    8: [
        [[(0.8, 0.1), (0.45, 0), (0.2, 0.2), (0.5, 0.5), (0.85, 0.75), (0.5, 1), (0.1, 0.75), (0.5, 0.5), (0.8, 0.1)]],
        [[(0.5, 0.5), (0.2, 0.25), (0.5, 0), (0.8, 0.25), (0.5, 0.5), (0.1, 0.75), (0.5, 1), (0.9, 0.75), (0.5, 0.5)]],
        [
            [(0.5, 0), (0.2, 0.22), (0.5, 0.45), (0.8, 0.22), (0.5, 0)],
            [(0.5, 0.45), (0.1, 0.72), (0.5, 1), (0.9, 0.72), (0.5, 0.45)],
        ],
        [[(0.9, 0.05), (0.4, 0), (0.2, 0.25), (0.7, 0.65), (0.6, 1), (0.2, 0.95), (0.2, 0.7), (0.85, 0.15)]],
    ],
    9: [
        [[(0.85, 0.15), (0.45, 0), (0.1, 0.3), (0.5, 0.52), (0.85, 0.2), (0.85, 0.2), (0.8, 1)]],  # straight leg
        [[(0.85, 0.15), (0.45, 0), (0.1, 0.25), (0.45, 0.5), (0.85, 0.2), (0.8, 0.6), (0.4, 1)]],  # bent leg
        [[(0.85, 0.1), (0.4, 0), (0.15, 0.3), (0.5, 0.5), (0.85, 0.2), (0.85, 0.75), (0.45, 1), (0.1, 0.85)]],  # as a g
        [[(0.8, 0.1), (0.35, 0), (0.1, 0.3), (0.45, 0.55), (0.8, 0.3), (0.8, 0.1), (0.6, 1)]],
    ],
}  # fmt: skip

CANVAS = 112  # pixels; large enough that 20 x 20 is anti-aliased from it


def make_digits(count: int, seed: int) -> Digits:
    """Digits drawn by a generator, each label as often as the others, prepared as a drawing on the canvas is.

    Returns:
        images (count, 1, 28, 28) uint8 and labels (count,).
    """
    chance = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    images = [np.round(255 * prepare(draw_digit(int(label), chance)).image) for label in labels]
    pixels = torch.from_numpy(np.stack(images).astype(np.uint8))[:, None]  # (N, 28, 28) -> (N, 1, 28, 28)
    return Digits(pixels, torch.from_numpy(labels))


def draw_digit(digit: int, chance: np.random.Generator) -> Ink:
    """One digit in one of its styles, as some hand might draw it: (112, 112) uint8, 255 = pen."""
    style = STYLES[digit][chance.integers(len(STYLES[digit]))]
    control = [np.array(stroke) for stroke in style]
    control = [points + chance.normal(0, 0.035, points.shape) * unrepeated(points) for points in control]
    lines = bend([smooth(points) for points in control], chance)
    if chance.random() < 0.15:
        lines = [piece for line in lines for piece in break_line(line, chance)]
    return rasterize(lines, width=math.exp(chance.uniform(math.log(3.5), math.log(28))))


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


def bend(lines: list[Points], chance: np.random.Generator) -> list[Points]:
    """Slant, turn, stretch and shake all lines together, then scale and move them onto the canvas, in pixels."""
    slant, angle = chance.normal(0.1, 0.2), chance.normal(0, 0.12)
    wide = chance.uniform(0.4, 1.0)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.array([[wide, -slant], [0, 1]])
    waves, phases = chance.normal(0, 0.03, (2, 2)), chance.uniform(0, 2 * math.pi, (2, 2))
    tremor = chance.choice([0, 0, 0.004, 0.01])
    bent = []
    for line in lines:
        swung = line + np.stack([waves[k] @ np.sin(5 * line.T + phases[k][:, None]) for k in (0, 1)], axis=1)
        bent.append(swung @ linear.T + chance.normal(0, tremor, line.shape))
    low = np.min([line.min(axis=0) for line in bent], axis=0)
    high = np.max([line.max(axis=0) for line in bent], axis=0)
    scale = 0.7 * CANVAS / max(high - low)
    return [CANVAS / 2 + (line - (low + high) / 2) * scale for line in bent]


def break_line(line: Points, chance: np.random.Generator) -> list[Points]:
    """A line with a gap somewhere, as a fast stroke leaves it."""
    at = chance.integers(1, max(2, len(line) - 2))
    return [piece for piece in (line[:at], line[at + 1 :]) if len(piece) > 1]


def rasterize(lines: list[Points], width: float) -> Ink:
    """Lines in pixels drawn with a round pen: (112, 112) uint8, anti-aliased by drawing at twice the size."""
    picture = Image.new("L", (2 * CANVAS, 2 * CANVAS))
    pen = ImageDraw.Draw(picture)
    for line in lines:
        points = [(2 * x, 2 * y) for x, y in line.tolist()]
        pen.line(points, fill=255, width=max(1, round(2 * width)), joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse([x - width, y - width, x + width, y + width], fill=255)
    return np.asarray(picture.resize((CANVAS, CANVAS), Image.Resampling.BOX))
