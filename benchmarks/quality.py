"""How well a network reads: MNIST's test set, made digits that it has not seen, and digits that people drew.

    python benchmarks/quality.py [--weights FILE] [--strokes train_strokes.json.gz]

People's digits come from the UCI set "Pen-Based Recognition of Handwritten Digits" (Alpaydin and Alimoglu, 1998), as
a gzipped JSON list of {"label": 0-9, "strokes": [[[x, y], ...], ...]}, y growing downwards. They are drawn onto a
canvas of 280 x 280 as the page would, with several brush widths, at random sizes and places, and read by `classify`;
all of their writers are strangers to the shipped network. Also printed: how long one answer takes on one thread.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from mnist_core import classify, evaluate, load_mnist, load_model, make_loader
from mnist_core.devices import cpu_name
from mnist_core.drawing import Ink
from mnist_core.strokes import make_digits

SIDE = 280
BRUSHES = (8, 14, 20, 30, 40)
SIZES = (100, 220)  # pixels of the longer side, smallest and largest


def draw(strokes: list[list[list[float]]], brush: int, size: float, chance: random.Random) -> Ink:
    """Strokes on a canvas of 280 x 280, the longer side `size` pixels, anywhere that they fit: uint8, 255 = pen."""
    points = np.concatenate([np.array(stroke, float) for stroke in strokes])
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    scale = size / max(extent.max(), 1.0)
    margin = brush / 2 + 2
    corner = [chance.uniform(margin, max(margin, SIDE - margin - side)) for side in extent * scale]
    picture = Image.new("L", (2 * SIDE, 2 * SIDE))
    pen = ImageDraw.Draw(picture)
    for stroke in strokes:
        line = [(float(2 * x), float(2 * y)) for x, y in (np.array(stroke) - low) * scale + corner]
        if len(line) > 1:
            pen.line(line, fill=255, width=2 * brush, joint="curve")
        for x, y in line:
            pen.ellipse([x - brush, y - brush, x + brush, y + brush], fill=255)
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))


def report_people(model: torch.nn.Module, digits: list[dict[str, Any]]) -> None:
    """Accuracy for each brush width, over all and for each digit; then the time of one answer."""
    seconds: list[float] = []
    for brush in BRUSHES:
        chance = random.Random(brush)
        right = np.zeros((10, 2), int)  # by label: read rightly, in all
        for digit in digits:
            ink = draw(digit["strokes"], brush, chance.uniform(*SIZES), chance)
            started = perf_counter()
            answer = classify(model, ink).digit
            seconds.append(perf_counter() - started)
            right[digit["label"]] += (answer == digit["label"], 1)
        each = " ".join(f"{label}: {100 * share:.1f}" for label, share in enumerate(right[:, 0] / right[:, 1]))
        print(f"people's digits, brush {brush:>2}: {100 * right[:, 0].sum() / right[:, 1].sum():.2f} %  ({each})")
    print(f"one answer, prepare and classify: median {1000 * statistics.median(seconds):.2f} ms on one thread")


def main() -> None:
    """Print what there is to measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="the shipped ones by default")
    parser.add_argument("--strokes", type=Path, help="people's digits; left out without it")
    parser.add_argument("--every", type=int, default=1, help="use every so many of people's digits")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(arguments.weights)
    print(f"{cpu_name()}, torch {torch.__version__}")
    tested = evaluate(model, make_loader(load_mnist("test"), 1000), "cpu")
    print(f"MNIST test set: {100 * tested.accuracy:.2f} %")
    made = evaluate(model, make_loader(make_digits(10_000, seed=1_000_000), 1000), "cpu")
    print(f"made digits with a seed of their own: {100 * made.accuracy:.2f} %")
    if arguments.strokes:
        report_people(model, json.loads(gzip.decompress(arguments.strokes.read_bytes()))[:: arguments.every])


if __name__ == "__main__":
    main()
