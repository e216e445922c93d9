"""Drawings that are clearly no digit, of kinds that no network here was trained or tuned on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_core.drawing import Ink
from mnist_core.people import Person, scaled
from mnist_core.strokes import Hand, Points, Shape, bend, box, place, rasterize, sketch, through

SIDE = 280
LETTERS = "KMPRWXQkmwxe&@%"  # other ones than in mnist_core/nondigits.py, and none that could be a digit
HAND = Hand(slant=(0.05, 0.1), turn=0.1, wide=(0.8, 1.2), waves=0.02, tremors=(0, 0.004))
Chance = np.random.Generator


def ring(x: float, y: float, radius: float, tall: float = 1.0) -> list[tuple[float, float]]:
    """A circle, or an oval, as points that a smooth line goes through."""
    angles = np.linspace(0, 2 * math.pi, 9)
    return [(x + radius * math.sin(a), y - tall * radius * math.cos(a)) for a in angles]


DOODLES: dict[str, Shape] = {
    "smiley": [
        ring(0.5, 0.5, 0.5), [(0.33, 0.33), (0.33, 0.42)], [(0.67, 0.33), (0.67, 0.42)],
        [(0.25, 0.62), (0.5, 0.8), (0.75, 0.62)],
    ],
    "house": [
        [(0, 0.4), (0, 1), (0, 1), (1, 1), (1, 1), (1, 0.4), (1, 0.4), (0, 0.4)],
        [(0, 0.4), (0.5, 0), (0.5, 0), (1, 0.4)],
        [(0.4, 1), (0.4, 0.65), (0.4, 0.65), (0.6, 0.65), (0.6, 0.65), (0.6, 1)],
    ],
    "fish": [[(1, 0.2), (0.6, 0.6), (0.3, 0.7), (0, 0.45), (0.3, 0.2), (0.6, 0.3), (1, 0.7), (1, 0.7), (1, 0.2)]],
    "tree": [[(0.45, 1), (0.45, 0.6)], [(0.55, 1), (0.55, 0.6)], ring(0.5, 0.3, 0.3)],
    "flower": [
        ring(0.5, 0.3, 0.09),
        *[ring(0.5 + 0.2 * math.sin(a), 0.3 + 0.2 * math.cos(a), 0.11) for a in np.arange(5) * 1.257],
        [(0.5, 0.6), (0.48, 1)],
    ],
    "umbrella": [
        [(0, 0.45), (0.1, 0.15), (0.5, 0), (0.9, 0.15), (1, 0.45), (1, 0.45), (0, 0.45)],
        [(0.5, 0), (0.5, 0.85), (0.4, 1), (0.3, 0.88)],
    ],
    "arrow": [[(0, 0.5), (1, 0.45)], [(0.7, 0.2), (1, 0.45), (1, 0.45), (0.72, 0.75)]],
    "stick figure": [
        ring(0.5, 0.15, 0.15), [(0.5, 0.3), (0.5, 0.65)], [(0.2, 0.4), (0.8, 0.42)],
        [(0.25, 1), (0.5, 0.65), (0.5, 0.65), (0.75, 1)],
    ],
    "cat": [
        ring(0.5, 0.6, 0.38), [(0.2, 0.35), (0.2, 0), (0.2, 0), (0.42, 0.22)],
        [(0.58, 0.22), (0.8, 0), (0.8, 0), (0.8, 0.35)],
        [(0, 0.6), (0.3, 0.65)], [(0.7, 0.65), (1, 0.6)],
    ],
    "cloud": [
        [(0.1, 0.8), (0, 0.6), (0.15, 0.45), (0.15, 0.45), (0.3, 0.2), (0.5, 0.3), (0.5, 0.3), (0.75, 0.2), (0.85, 0.5),
         (0.85, 0.5), (1, 0.65), (0.9, 0.8), (0.9, 0.8), (0.1, 0.8)],
    ],
    "bicycle": [
        ring(0.2, 0.7, 0.2), ring(0.85, 0.7, 0.2),
        [(0.2, 0.7), (0.4, 0.35), (0.4, 0.35), (0.75, 0.35), (0.75, 0.35), (0.5, 0.7), (0.5, 0.7), (0.2, 0.7)],
        [(0.7, 0.2), (0.85, 0.7)],
    ],
    "envelope": [
        [(0, 0.2), (1, 0.2), (1, 0.2), (1, 0.85), (1, 0.85), (0, 0.85), (0, 0.85), (0, 0.2)],
        [(0, 0.2), (0.5, 0.55), (0.5, 0.55), (1, 0.2)],
    ],
}  # fmt: skip


def on_canvas(lines: Sequence[Points], brush: float, size: float, chance: Chance) -> Ink:
    """Lines on a canvas of 280 x 280, the longer side `size` pixels, anywhere that they fit: uint8, 255 = pen."""
    placed = place(lines, SIDE, size)
    free = np.maximum(0, (SIDE - box(placed)[1] - brush) / 2 - 2)
    away = chance.uniform(-free, free)
    return rasterize([line + away for line in placed], brush, SIDE)


def drawn(lines: Sequence[Points], chance: Chance) -> Ink:
    """Lines with a pen and in a size as visitors use them."""
    return on_canvas(bend(lines, chance, HAND), chance.uniform(8, 20), chance.uniform(140, 240), chance)


def draw_letter(chance: Chance, fonts: Sequence[Path] = ()) -> Ink:
    """A letter or sign from a font, turned a little."""
    size = float(chance.uniform(140, 220))
    chosen = chance.integers(len(fonts) + 1)
    font = ImageFont.truetype(fonts[chosen - 1], size) if chosen else ImageFont.load_default(size)
    picture = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(picture).text((SIDE / 2, SIDE / 2), str(chance.choice(list(LETTERS))), 255, font, anchor="mm")
    return np.asarray(picture.rotate(chance.normal(0, 6), Image.Resampling.BICUBIC))


def draw_doodle(chance: Chance) -> Ink:
    """One of the doodles."""
    return drawn(sketch(DOODLES[str(chance.choice(list(DOODLES)))], chance), chance)


def draw_scribble(chance: Chance) -> Ink:
    """A pen that keeps its momentum while it is pushed about, or one that swings to and fro in two rhythms."""
    if chance.random() < 0.5:
        speed = np.zeros(2)
        points = [np.zeros(2)]
        for _ in range(int(chance.integers(60, 120))):
            speed = 0.85 * speed + chance.normal(0, 0.1, 2) - 0.05 * points[-1]
            points.append(points[-1] + speed)
        return drawn([np.array(points)], chance)
    time = np.linspace(0, chance.uniform(4, 9) * math.pi, 200)
    rhythm = chance.uniform(1.3, 2.6)
    across, down = np.sin(time) * (1 + 0.3 * np.sin(0.31 * time)), np.cos(rhythm * time + chance.uniform(0, 6))
    return drawn([np.stack([across, down], axis=1)], chance)


def draw_crossed_out(people: Sequence[Person], chance: Chance) -> Ink:
    """Somebody's digit with a long wavy line through it; digits that may have a bar are left out."""
    choice = [person for person in people if person.label in (2, 3, 5, 6, 8, 9)]
    strokes = scaled(choice[chance.integers(len(choice))].strokes)
    low, extent = box(strokes)
    at = np.linspace(-0.6, 1.6, 7)
    wave = (
        0.5
        + chance.uniform(-0.15, 0.15)
        + 0.06 * np.sin(4 * at + chance.uniform(0, 6))
        + chance.normal(0, 0.15) * (at - 0.5)
    )
    return drawn([*strokes, through(low + extent * np.stack([at, wave], axis=1))], chance)


def draw_side_by_side(people: Sequence[Person], count: int, chance: Chance) -> tuple[Ink, str]:
    """Digits of people in a row, with gaps as people leave them: the ink, the number."""
    lines: list[Points] = []
    number = ""
    for _ in range(count):
        person = people[chance.integers(len(people))]
        strokes = scaled(person.strokes)
        tall = max(box(strokes)[1][1], 0.5)  # a digit that lies is rather wide than tall
        digit = [stroke / tall * chance.uniform(0.85, 1.15) for stroke in strokes]
        low, extent = box(digit)
        place_at = np.array([0.0, chance.normal(0, 0.06)])
        if lines:
            before, width = box(lines)
            place_at[0] = before[0] + width[0] + chance.uniform(0.15, 0.5)
        lines += [stroke - np.array([low[0], low[1] + extent[1] / 2]) + place_at for stroke in digit]
        number += str(person.label)
    return on_canvas(lines, chance.uniform(8, 14), 240, chance), number


def kinds(people: Sequence[Person], fonts: Sequence[Path]) -> dict[str, Callable[[Chance], Ink]]:
    """Name -> how such a drawing is made."""
    return {
        "letters of fonts": lambda chance: draw_letter(chance, fonts),
        "doodles": draw_doodle,
        "scribbles": draw_scribble,
        "crossed-out digits": lambda chance: draw_crossed_out(people, chance),
        "two digits as one": lambda chance: draw_side_by_side(people, 2, chance)[0],
    }
