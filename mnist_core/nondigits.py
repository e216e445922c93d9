"""Drawings that are no digit: what a network must see to learn to say "I don't see a digit"."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mnist_core.data import Digits
from mnist_core.drawing import Ink
from mnist_core.strokes import Hand, Points, Shape, as_digits, box, draw, sketch_one, smooth, through
from mnist_core.styles import STYLES

NO_DIGIT = 10  # the label, after 0..9
Chance = np.random.Generator

# Letters that nobody takes for a digit, and one or two ways to write each.
LETTERS: dict[str, list[Shape]] = {
    "A": [
        [[(0, 1), (0.5, 0), (0.5, 0), (1, 1)], [(0.2, 0.6), (0.8, 0.6)]],
        [[(0, 1), (0.5, 0), (1, 1)], [(0.15, 0.65), (0.85, 0.6)]],
    ],
    "E": [[[(0.9, 0), (0, 0), (0, 0), (0, 1), (0, 1), (0.9, 1)], [(0, 0.5), (0.7, 0.5)]]],
    "H": [[[(0, 0), (0, 1)], [(1, 0), (1, 1)], [(0, 0.5), (1, 0.5)]]],
    "L": [[[(0, 0), (0, 1), (0, 1), (0.8, 1)]]],
    "N": [[[(0, 1), (0, 0), (0, 0), (1, 1), (1, 1), (1, 0)]]],
    "T": [[[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]]],
    "U": [[[(0, 0), (0, 0.7), (0.5, 1), (1, 0.7), (1, 0)]]],
    "V": [[[(0, 0), (0.5, 1), (0.5, 1), (1, 0)]]],
    "pi": [[[(0, 0.05), (1, 0)], [(0.3, 0.05), (0.25, 1)], [(0.7, 0.03), (0.7, 0.8), (0.9, 1)]]],
    "Sigma": [[[(1, 0), (0, 0), (0, 0), (0.5, 0.5), (0.5, 0.5), (0, 1), (0, 1), (1, 1)]]],
    "lambda": [[[(0.1, 0), (0.3, 0.1), (1, 1)], [(0.5, 0.45), (0, 1)]]],
    "psi": [[[(0, 0.05), (0.1, 0.5), (0.5, 0.65), (0.9, 0.5), (1, 0.05)], [(0.5, 0), (0.5, 1)]]],
    "omega": [[[(0.2, 0.1), (0, 0.6), (0.25, 1), (0.5, 0.6), (0.5, 0.6), (0.75, 1), (1, 0.6), (0.8, 0.1)]]],
    "I": [[[(0, 0), (0, 1), (0, 1), (1, 0), (1, 0), (1, 1)]]],  # the Cyrillic one
    "Sha": [[[(0, 0), (0, 1), (0, 1), (1, 1), (1, 1), (1, 0)], [(0.5, 0), (0.5, 1)]]],
    "Zhe": [[[(0.5, 0), (0.5, 1)], [(0, 0), (0.5, 0.5), (0.5, 0.5), (0, 1)], [(1, 0), (0.5, 0.5), (0.5, 0.5), (1, 1)]]],
    "De": [[[(0, 1), (0, 0.8), (0, 0.8), (1, 0.8), (1, 0.8), (1, 1)], [(0.2, 0.8), (0.5, 0), (0.5, 0), (0.8, 0.8)]]],
    "d": [[[(0.8, 0.5), (0.3, 0.4), (0, 0.75), (0.35, 1), (0.8, 0.7)], [(0.8, 0), (0.8, 1)]]],
    "t": [[[(0.4, 0), (0.4, 0.85), (0.65, 1), (0.85, 0.9)], [(0, 0.3), (0.85, 0.3)]]],
    "a": [
        [[(0.9, 0.1), (0.3, 0), (0.1, 0.6), (0.4, 1), (0.85, 0.5), (0.9, 0.05), (0.9, 0.05), (0.85, 0.8), (1.1, 1)]],
        [[(0.8, 0.3), (0.3, 0), (0, 0.6), (0.4, 1), (0.8, 0.6)], [(0.85, 0), (0.8, 0.9), (1.1, 0.95)]],
    ],
    "f": [
        [[(1, 0.1), (0.6, 0), (0.4, 0.3), (0.4, 1)], [(0, 0.45), (0.9, 0.45)]],
        [[(1, 0), (0, 0), (0, 0), (0, 1)], [(0, 0.5), (0.7, 0.5)]],
    ],
    "h": [[[(0, 0), (0, 1), (0, 1), (0.1, 0.55), (0.5, 0.4), (0.8, 0.6), (0.8, 1)]]],
    "n": [[[(0, 0.1), (0, 1), (0, 1), (0.1, 0.3), (0.5, 0), (0.9, 0.3), (0.9, 1)]]],
    "r": [[[(0, 0), (0, 1), (0, 1), (0.05, 0.35), (0.4, 0.05), (0.8, 0.1)]]],
    "v": [[[(0, 0), (0.2, 0.4), (0.45, 1), (0.45, 1), (0.7, 0.4), (0.9, 0)]]],
    "F": [[[(0.9, 0), (0, 0), (0, 0), (0, 1)], [(0, 0.45), (0.7, 0.45)]]],
    "u": [[[(0, 0), (0.05, 0.7), (0.4, 1), (0.8, 0.7), (0.85, 0), (0.85, 0), (0.85, 0.9), (1.05, 1)]]],
    "alpha": [[[(1, 0), (0.7, 0.6), (0.35, 1), (0, 0.5), (0.35, 0), (0.7, 0.4), (1, 1)]]],
    "mu": [[[(0, 0), (0, 1.2)], [(0, 0.3), (0.1, 0.75), (0.4, 0.8), (0.75, 0.5), (0.75, 0), (0.75, 0.8), (0.95, 0.8)]]],
    "Gamma": [[[(0.8, 0), (0, 0), (0, 0), (0, 1)]]],
    "Pe": [[[(0, 1), (0, 0), (0, 0), (0.9, 0), (0.9, 0), (0.9, 1)]]],
    "El": [[[(0, 1), (0.2, 0.9), (0.35, 0), (0.35, 0), (0.9, 0), (0.9, 0), (0.9, 1)]]],
    "Tse": [[[(0, 0), (0, 0.85), (0, 0.85), (0.9, 0.85), (0.9, 0.85), (1, 1.1)], [(0.8, 0), (0.8, 0.85)]]],
    "Yu": [[[(0, 0), (0, 1)], [(0, 0.5), (0.4, 0.5)], [(0.7, 0), (0.4, 0.5), (0.7, 1), (1, 0.5), (0.7, 0)]]],
    "Ef": [[[(0.5, 0), (0.5, 1)], [(0.5, 0.2), (0, 0.45), (0.5, 0.7), (1, 0.45), (0.5, 0.2)]]],
    "shan": [[[(0.5, 0), (0.5, 1)], [(0, 0.35), (0, 1), (0, 1), (1, 1), (1, 1), (1, 0.35)]]],
    "ren": [[[(0.5, 0), (0.4, 0.5), (0, 1)], [(0.45, 0.4), (0.65, 0.75), (1, 1)]]],
    "da": [[[(0, 0.35), (1, 0.35)], [(0.5, 0), (0.45, 0.5), (0, 1)], [(0.5, 0.4), (0.65, 0.75), (1, 1)]]],
    "wood": [[[(0, 0.3), (1, 0.3)], [(0.5, 0), (0.5, 1)], [(0.5, 0.35), (0, 0.8)], [(0.5, 0.35), (1, 0.8)]]],
    "tu": [[[(0.1, 0.35), (0.9, 0.35)], [(0.5, 0), (0.5, 1)], [(0, 1), (1, 1)]]],
    "wang": [[[(0.05, 0), (0.95, 0)], [(0.15, 0.5), (0.85, 0.5)], [(0, 1), (1, 1)], [(0.5, 0), (0.5, 1)]]],
    "field": [
        [
            [(0, 0), (0, 1), (0, 1), (1, 1), (1, 1), (1, 0), (1, 0), (0, 0)],
            [(0.5, 0), (0.5, 1)],
            [(0, 0.5), (1, 0.5)],
        ]
    ],
    "ko": [[[(0, 0.05), (0.9, 0), (0.9, 0), (0.85, 0.95)], [(0, 1), (1, 0.95)]]],
    "ki": [[[(0.1, 0.3), (0.9, 0.2)], [(0, 0.6), (1, 0.5)], [(0.4, 0), (0.6, 1)]]],
    "sa": [[[(0, 0.3), (1, 0.3)], [(0.3, 0), (0.3, 0.6)], [(0.7, 0), (0.7, 0.6), (0.3, 1)]]],
    "mo": [[[(0.1, 0.05), (0.9, 0.05)], [(0, 0.45), (1, 0.45)], [(0.45, 0.05), (0.45, 0.8), (0.6, 1), (0.95, 0.95)]]],
    "tick": [[[(0, 0.6), (0.3, 1), (0.3, 1), (1, 0)]]],
    "euro": [[[(1, 0.15), (0.6, 0), (0.2, 0.5), (0.6, 1), (1, 0.85)], [(0, 0.4), (0.75, 0.4)], [(0, 0.6), (0.7, 0.6)]]],
    "yen": [[[(0, 0), (0.5, 0.45), (0.5, 0.45), (1, 0)], [(0.5, 0.45), (0.5, 1)], [(0.1, 0.55), (0.9, 0.55)]]],
    "infinity": [[[(0.5, 0.5), (0.25, 0.2), (0, 0.5), (0.25, 0.8), (0.5, 0.5), (0.75, 0.2), (1, 0.5), (0.75, 0.8),
                   (0.5, 0.5)]]],
    "hash": [[[(0.35, 0), (0.25, 1)], [(0.75, 0), (0.65, 1)], [(0, 0.35), (1, 0.3)], [(0, 0.7), (1, 0.65)]]],
}  # fmt: skip
DOODLES: dict[str, list[Shape]] = {
    "triangle": [[[(0.5, 0), (0, 1), (0, 1), (1, 1), (1, 1), (0.5, 0)]]],
    "square": [[[(0, 0), (0, 1), (0, 1), (1, 1), (1, 1), (1, 0), (1, 0), (0, 0)]]],
    "star": [
        [[(0.2, 1), (0.5, 0), (0.5, 0), (0.8, 1), (0.8, 1), (0, 0.38), (0, 0.38), (1, 0.38), (1, 0.38), (0.2, 1)]],
        [[(0.5, 0), (0.5, 1)], [(0, 0.3), (1, 0.7)], [(0, 0.7), (1, 0.3)]],
    ],
    "heart": [[[(0.5, 0.3), (0.25, 0), (0, 0.35), (0.5, 1), (0.5, 1), (1, 0.35), (0.75, 0), (0.5, 0.3)]]],
    "plus": [[[(0.5, 0), (0.5, 1)], [(0, 0.5), (1, 0.5)]]],
    "equals": [[[(0, 0.3), (1, 0.3)], [(0, 0.7), (1, 0.7)]]],
    "grid": [[[(0.33, 0), (0.33, 1)], [(0.66, 0), (0.66, 1)], [(0, 0.33), (1, 0.33)], [(0, 0.66), (1, 0.66)]]],
    "mountains": [[[(0, 1), (0.3, 0.2), (0.3, 0.2), (0.5, 0.7), (0.5, 0.7), (0.75, 0), (0.75, 0), (1, 1)]]],
    "cup": [
        [
            [(0, 0), (0.1, 1), (0.1, 1), (0.7, 1), (0.7, 1), (0.8, 0), (0.8, 0), (0, 0)],
            [(0.8, 0.2), (1.1, 0.35), (0.75, 0.7)],
        ]
    ],
    "diamond": [[[(0.5, 0), (0, 0.5), (0, 0.5), (0.5, 1), (0.5, 1), (1, 0.5), (1, 0.5), (0.5, 0)]]],
    "boat": [
        [
            [(0, 0.7), (0.2, 1), (0.2, 1), (0.8, 1), (0.8, 1), (1, 0.7), (1, 0.7), (0, 0.7)],
            [(0.5, 0.7), (0.5, 0), (0.5, 0), (0.85, 0.55), (0.85, 0.55), (0.5, 0.55)],
        ]
    ],
    "note": [[[(0.5, 0.3), (0.4, 0), (0.4, 0), (0.4, 0.85), (0.2, 1), (0, 0.9), (0.2, 0.75), (0.4, 0.85)]]],
    "glasses": [
        [
            [(0.2, 0.3), (0, 0.5), (0.2, 0.7), (0.4, 0.5), (0.2, 0.3)],
            [(0.8, 0.3), (0.6, 0.5), (0.8, 0.7), (1, 0.5), (0.8, 0.3)],
            [(0.4, 0.5), (0.5, 0.42), (0.6, 0.5)],
        ]
    ],
    "target": [
        [
            [(0.5, 0), (0, 0.5), (0.5, 1), (1, 0.5), (0.5, 0)],
            [(0.5, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.5), (0.5, 0.3)],
        ]
    ],
    "tent": [
        [[(0.5, 0), (0, 1), (0, 1), (1, 1), (1, 1), (0.5, 0), (0.5, 0), (0.5, 1)]],
    ],
    "ladder": [[[(0.2, 0), (0.2, 1)], [(0.8, 0), (0.8, 1)], *[[(0.2, y), (0.8, y)] for y in (0.15, 0.4, 0.65, 0.9)]]],
    "sun": [
        [[(0.5, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.5), (0.5, 0.25)]]
        + [
            [(0.5 + 0.32 * math.sin(a), 0.5 + 0.32 * math.cos(a)), (0.5 + 0.5 * math.sin(a), 0.5 + 0.5 * math.cos(a))]
            for a in np.arange(8) * math.pi / 4
        ]
    ],
}
# With a thicker pen they run into blobs, and so does many a digit.
PENS = (1.0, 16.0)
FREE = Hand(slant=(0.05, 0.15), turn=0.15, wide=(0.6, 1.3), waves=0.03, tremors=(0, 0, 0.004, 0.01), pens=PENS)
LEVEL = Hand(slant=(0, 0.1), turn=0.1, wide=(0.9, 1.1), waves=0.01, tremors=(0, 0.003), pens=PENS)


def draw_shape(shapes: dict[str, list[Shape]], chance: Chance) -> Ink:
    """One of several shapes, as likely as the others, as some hand draws it."""
    ways = shapes[str(chance.choice(list(shapes)))]
    return draw(sketch_one(ways, chance), chance, FREE)


def draw_scribble(chance: Chance) -> Ink:
    """A line that wanders about, or goes to and fro, or round and round outwards."""
    count = int(chance.integers(9, 30))
    kind = chance.integers(3)
    if kind == 0:
        points = chance.uniform(0, 1, (count, 2))
    elif kind == 1:
        across = np.where(np.arange(count) % 2, 1.0, 0.0) + chance.normal(0, 0.1, count)
        points = np.stack([across, np.linspace(0, chance.uniform(0.3, 1.5), count)], axis=1)
    else:
        angle = np.linspace(0, chance.uniform(2.2, 5) * 2 * math.pi, 40)
        radius = np.linspace(0.1, 1, 40) ** chance.uniform(0.5, 1)
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    turned = points[:, ::-1] if chance.random() < 0.5 else points
    return draw([through(turned)], chance, FREE)


def draw_strokes(chance: Chance) -> Ink:
    """Several strokes that have nothing to do with one another."""
    lines = []
    for _ in range(chance.integers(3, 8)):
        start, points = chance.uniform(0, 1, (1, 2)), int(chance.integers(2, 5))
        steps = chance.normal(0, 0.25, (points, 2)).cumsum(axis=0)
        lines.append(through(np.concatenate([start, start + steps])))
    return draw(lines, chance, FREE)


def draw_composition(chance: Chance) -> Ink:
    """Several circles, boxes, arcs and lines, near one another or on one another, as pictures are put together."""
    lines = []
    for _ in range(chance.integers(3, 7)):
        corners: list[tuple[float, float]] = [(0, 0), (0, 0), (1, 0), (1, 0), (1, 1), (1, 1), (0, 1), (0, 1), (0, 0)]
        circle = [(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5), (0.5, 0)]
        forms: list[list[tuple[float, float]]] = [circle, circle, corners, [(0, 1), (0.5, 0), (1, 1)], [(0, 0), (1, 1)]]
        form = smooth(np.array(forms[chance.integers(len(forms))], float))
        form = form if chance.random() < 0.5 else form[:, ::-1]
        lines.append(chance.uniform(0, 1, 2) + (form - 0.5) * chance.uniform(0.15, 0.9, 2))
    return draw(lines, chance, FREE)


def draw_line(chance: Chance) -> Ink:
    """A single line that lies, or several of them; one that stands is a 1."""
    count = int(chance.choice([1, 1, 1, 2, 3]))
    middle = np.linspace(0, 1, 9)
    lines = []
    for number in range(count):
        bow = chance.normal(0, 0.06) * np.sin(math.pi * middle) + chance.normal(0, 0.02, 9)
        lines.append(through(np.stack([middle, 0.3 * number + bow + chance.normal(0, 0.12) * middle], axis=1)))
    return draw(lines, chance, LEVEL)


def draw_crowd(chance: Chance) -> Ink:
    """Two or three digits side by side; one above the other could be an 8."""
    lines: list[Points] = []
    for _ in range(chance.choice([2, 2, 2, 3])):
        digit = resize(sketch_one(STYLES[int(chance.integers(10))], chance), chance)
        if lines:
            low, extent = box(lines)
            away = np.array([low[0] + extent[0] + chance.uniform(-0.05, 0.6), chance.normal(0, 0.06)])
            digit = [line + away for line in digit]
        lines += digit
    return draw(lines, chance, LEVEL)


def resize(lines: list[Points], chance: Chance) -> list[Points]:
    """Lines moved to the origin and made 1 high and as wide as digits are."""
    low, extent = box(lines)
    size = np.array([chance.uniform(0.35, 0.75) if extent[0] > 0.25 else extent[0], chance.uniform(0.85, 1.15)])
    return [(line - low) / np.maximum(extent, 1e-9) * size for line in lines]


def draw_struck_out(chance: Chance) -> Ink:
    """A digit with a long line through it, with a cross over it, or scribbled over."""
    digit = int(chance.choice([2, 3, 5, 6, 8, 9]))  # a 0, a 1, a 4 and a 7 may have a line through them
    lines = resize(sketch_one(STYLES[digit], chance), chance)
    low, extent = box(lines)

    def across(start: tuple[float, float], end: tuple[float, float]) -> Points:
        return through(low + extent * (np.array([start, (0.5, (start[1] + end[1]) / 2), end]) + chance.normal(0, 0.05)))

    kind = chance.integers(3)
    if kind == 0:
        height = chance.uniform(0.3, 0.7)
        lines.append(across((-0.5, height + chance.normal(0, 0.1)), (1.5, height + chance.normal(0, 0.1))))
    elif kind == 1:
        lines += [across((-0.3, -0.05), (1.3, 1.05)), across((-0.3, 1.05), (1.3, -0.05))]
    else:
        zigzag = np.stack([np.where(np.arange(9) % 2, 1.2, -0.2), np.linspace(0.1, 0.9, 9)], axis=1)
        lines.append(through(low + extent * (zigzag + chance.normal(0, 0.05, zigzag.shape))))
    return draw(lines, chance, LEVEL)


# kind -> how it is drawn
KINDS: dict[str, Callable[[Chance], Ink]] = {
    "letters": lambda chance: draw_shape(LETTERS, chance),
    "doodles": lambda chance: draw_shape(DOODLES, chance),
    "scribbles": draw_scribble,
    "strokes": draw_strokes,
    "compositions": draw_composition,
    "lines": draw_line,
    "crowds": draw_crowd,
    "struck out": draw_struck_out,
}


def make_non_digits(count: int, seed: int) -> Digits:
    """Drawings that are no digit, each kind as often as the others, prepared as a drawing on the canvas is.

    Returns:
        images (count, 1, 28, 28) uint8 and labels (count,), all NO_DIGIT.
    """
    chance = np.random.default_rng(seed)
    kinds = list(KINDS.values())
    return as_digits([kinds[number % len(kinds)](chance) for number in range(count)], [NO_DIGIT] * count)
