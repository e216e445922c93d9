"""Digits that people drew, as strokes in a file: to train on, and to measure how well drawings are read."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnist_core.data import Digits
from mnist_core.errors import DataError
from mnist_core.strokes import STEADY, Points, as_digits, box, draw

LARGEST_FILE = 100_000_000  # bytes, unpacked


@dataclass(frozen=True, eq=False)
class Person:
    """One digit that a person drew: who, which digit, and the strokes (N, 2) in the file's own units."""

    writer: str
    label: int
    strokes: tuple[Points, ...]


def read_people(path: Path) -> list[Person]:
    """The digits of a gzipped JSON file: a list of {"label": 0-9, "writer": name, "strokes": [[[x, y], ...], ...]}.

    Raises:
        DataError: names the file when it is missing, damaged or something else.
    """
    try:
        with gzip.open(path) as file:
            listed = json.loads(file.read(LARGEST_FILE))
        people = [as_person(described) for described in listed]
    except OSError as error:
        raise DataError(f"The strokes {path} cannot be read ({error}).") from error
    except (EOFError, KeyError, TypeError, ValueError, zlib.error) as error:
        raise DataError(f"The strokes {path} are damaged, or not described as expected ({error}).") from error
    if not people:
        raise DataError(f"The strokes {path} hold no digit.")
    return people


def as_person(described: dict[str, Any]) -> Person:
    """One entry of the file, checked, or a ValueError."""
    strokes = tuple(np.array(stroke, float).reshape(-1, 2) for stroke in described["strokes"] if stroke)
    if not strokes or not all(np.isfinite(stroke).all() for stroke in strokes):
        raise ValueError("a digit without strokes")
    if described["label"] not in range(10):
        raise ValueError(f"a label {described['label']!r}")
    return Person(str(described["writer"]), int(described["label"]), strokes)


def writers_of(people: Sequence[Person]) -> list[str]:
    """The names of all writers, sorted."""
    return sorted({person.writer for person in people})


def by_writers(people: Sequence[Person], writers: Sequence[str]) -> list[Person]:
    """The digits of these writers only."""
    return [person for person in people if person.writer in writers]


def render(people: Sequence[Person], copies: int, seed: int) -> Digits:
    """Each digit drawn so many times, bent a little and with pens of many widths, prepared as a drawing is.

    Returns:
        images (copies * N, 1, 28, 28) uint8 and labels (copies * N,).
    """
    chance = np.random.default_rng(seed)
    drawn = [person for _ in range(copies) for person in people]
    return as_digits([draw(scaled(person.strokes), chance, STEADY) for person in drawn], [one.label for one in drawn])


def scaled(strokes: Sequence[Points]) -> list[Points]:
    """Strokes moved and scaled into a box of 0..1, the longer side 1."""
    low, extent = box(strokes)
    return [(stroke - low) / max(extent.max(), 1e-9) for stroke in strokes]
