"""How well digits are read from photographs: the share of right answers, condition by condition.

    python benchmarks/photos.py [--count 1000] [--conditions "hard shadow" "everything"]

The photographs are made, so that the truth is known: MNIST's test digits, and digits of several styles drawn with a
pen, turned and seen a little from the side, as ink on grey paper under uneven light, then blurred, made noisy and
saved as a JPEG of quality 60. They are read as the page reads them, with `read_picture` and `classify` by the shipped
network. "bare ink" is the same digits without a photograph: more than that cannot be hoped for. Also printed: how
well the ink that was found lies on the true ink (intersection over union, median), and what one picture of 12
megapixels takes beyond decoding.
"""

from __future__ import annotations

import argparse
import io
import statistics
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mnist_core import classify, load_mnist, load_model
from mnist_core.drawing import Ink
from mnist_core.photos import ink_on_paper
from mnist_core.pictures import read_picture
from mnist_core.processor import cpu_name
from mnist_core.strokes import LOOSE, bend, rasterize, sketch_one
from mnist_core.strokes import place as place_lines
from mnist_core.styles import STYLES, draw_digit

Plane = NDArray[np.float64]  # (H, W)
Range = tuple[float, float]
JPEG_QUALITY = 60


@dataclass(frozen=True)
class Scene:
    """What a photograph shows; a range stands for a value drawn from it.

    Attributes:
        hand: a name in HANDS. paper: grey levels. ink: the share of the paper's light that the ink swallows.
        colour: of what the ink leaves, red, green, blue, 0..1. digit: its side as a share of the shorter side.
        slope: how much darker the darkest edge is, 0..1. vignette: the same for the corners.
        shadow: how much darker it is beyond a hard edge. lines: the share of light that ruled lines swallow.
        squared: lines in both directions. table: the grey of a table around the sheet, or None. finger: in a corner.
        board: chalk on a blackboard. noise: its standard deviation in grey levels. blur: radius in pixels.
    """

    hand: str = "mnist"
    paper: Range = (200, 230)
    ink: Range = (0.6, 0.9)
    colour: tuple[float, float, float] = (0, 0, 0)
    digit: Range = (0.3, 0.8)
    slope: Range = (0, 0.1)
    vignette: Range = (0, 0.1)
    shadow: Range = (0, 0)
    lines: Range = (0, 0)
    squared: bool = False
    table: Range | None = None
    finger: bool = False
    board: bool = False
    noise: Range = (1, 3)
    blur: Range = (0, 1.5)


SCENES: dict[str, Scene] = {
    "good light": Scene(),
    "grey paper": Scene(paper=(90, 230), ink=(0.5, 0.9)),
    "strong gradient": Scene(slope=(0.4, 0.7), vignette=(0.2, 0.5)),
    "hard shadow": Scene(shadow=(0.3, 0.6), slope=(0, 0.3)),
    "noise": Scene(noise=(6, 8)),
    "out of focus": Scene(blur=(3, 6)),
    "ruled paper": Scene(lines=(0.1, 0.25)),
    "squared paper": Scene(lines=(0.1, 0.25), squared=True),
    "table around": Scene(table=(30, 90)),
    "finger in a corner": Scene(finger=True, slope=(0, 0.3)),
    "small": Scene(digit=(0.06, 0.15)),
    "ballpoint": Scene(hand="ballpoint", ink=(0.4, 0.7)),
    "ballpoint on squared paper": Scene(hand="ballpoint", ink=(0.45, 0.7), lines=(0.08, 0.18), squared=True),
    "small ballpoint": Scene(hand="small ballpoint", ink=(0.5, 0.7), digit=(0.06, 0.15), blur=(0, 1)),
    "styles, any pen": Scene(hand="styles"),
    "blackboard": Scene(board=True, paper=(30, 70), slope=(0, 0.3), vignette=(0, 0.3)),
    "blue": Scene(colour=(0.1, 0.2, 0.8)),
    "red": Scene(colour=(0.9, 0.1, 0.1)),
    "orange": Scene(colour=(1, 0.55, 0)),
    "everything": Scene(
        paper=(110, 230), ink=(0.55, 0.9), slope=(0, 0.5), vignette=(0, 0.3), shadow=(0, 0.5), lines=(0, 0.2),
        squared=True, table=(30, 90), noise=(1, 8), blur=(0, 2),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Photograph:
    """A made photograph: its file, and the true ink (H, W) uint8, which `read_picture` should find."""

    jpeg: bytes
    ink: Ink


def nobodys_hand(label: int, chance: np.random.Generator) -> Ink:
    """Nothing written: (28, 28)."""
    return np.zeros((28, 28), np.uint8)


def mnist_hand(label: int, chance: np.random.Generator) -> Ink:
    """A digit from MNIST's test set: (28, 28)."""
    of_label = DIGITS.images[DIGITS.labels == label, 0]
    return of_label[int(chance.integers(len(of_label)))].numpy()


def thin_hand(label: int, chance: np.random.Generator) -> Ink:
    """A digit of some style, as large as a hand, written with a ballpoint."""
    return draw_thin(label, chance, (4, 10))


def small_hand(label: int, chance: np.random.Generator) -> Ink:
    """A digit of some style, 8 mm high or so, written with a ballpoint of half a millimetre."""
    return draw_thin(label, chance, (16, 28))


def draw_thin(label: int, chance: np.random.Generator, width: Range) -> Ink:
    """A digit of some style in lines of such a width: (448, 448), of which it fills 400."""
    lines = bend(sketch_one(STYLES[label], chance), chance, LOOSE)
    return rasterize(place_lines(lines, 448, 400), chance.uniform(*width), 448)


DIGITS = load_mnist("test")
HANDS = {
    "nobody": nobodys_hand, "mnist": mnist_hand, "styles": draw_digit, "ballpoint": thin_hand,
    "small ballpoint": small_hand,
}  # fmt: skip


def photograph(scene: Scene, label: int, chance: np.random.Generator) -> Photograph:
    """A photograph of a digit, upright or across, with 1024 pixels on its longer side."""
    size = (1024, 768) if chance.random() < 0.5 else (768, 1024)
    ink = place(HANDS[scene.hand](label, chance), scene, size, chance)  # (H, W), 0..1
    strength = chance.uniform(*scene.ink)
    paper = np.full((*ink.shape, 1), chance.uniform(*scene.paper) / 255)
    if scene.board:
        surface = paper + strength * ink[..., None] * (0.9 - paper)
    else:
        rules = 1 - chance.uniform(*scene.lines) * ruled(ink.shape, scene.squared, chance)
        surface = paper * rules[..., None] * (1 - strength * ink[..., None] * (1 - np.array(scene.colour)))
    surface = around(surface, scene, chance)
    light = lit(ink.shape, scene, chance)
    picture = Image.fromarray((255 * surface * light[..., None]).repeat(3 // surface.shape[2], 2).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(chance.uniform(*scene.blur)))
    noise = chance.standard_normal((*ink.shape, 3), np.float32)
    noisy = np.asarray(picture) + np.float32(chance.uniform(*scene.noise)) * noise
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=JPEG_QUALITY)
    return Photograph(file.getvalue(), np.round(255 * ink).astype(np.uint8))


def place(digit: Ink, scene: Scene, size: tuple[int, int], chance: np.random.Generator) -> Plane:
    """The digit somewhere on a sheet of this (width, height), turned and tilted a little: (H, W), 0..1."""
    side = chance.uniform(*scene.digit) * min(size)
    margin = 0.16 * min(size) if scene.table or scene.finger else 0.03 * min(size)
    low = np.array([margin + 0.5 * side] * 2)
    middle = chance.uniform(low, np.maximum(low + 1, np.array(size) - low))
    angle = np.radians(chance.uniform(-8, 8))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) + chance.uniform(-0.04, 0.04, (4, 2))
    targets = corners @ turn.T * side + middle  # where the digit's corners come to lie
    sources = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * digit.shape[0]
    smooth_digit = Image.fromarray(digit).resize([8 * digit.shape[0] if digit.shape[0] < 50 else digit.shape[0]] * 2, 3)
    sources = sources * smooth_digit.width / digit.shape[0]
    laid = smooth_digit.transform(size, Image.Transform.PERSPECTIVE, perspective(targets, sources), 2)
    return np.asarray(laid) / 255


def perspective(targets: Plane, sources: Plane) -> list[float]:
    """The eight numbers by which Pillow maps `targets` (4, 2) to `sources` (4, 2)."""
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(targets.tolist(), sources.tolist(), strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return [float(value) for value in np.linalg.solve(np.array(rows), sources.reshape(-1))]


def grid(shape: tuple[int, ...], angle: float) -> tuple[Plane, Plane]:
    """How far each pixel lies to the right and downwards of the middle, turned: (H, W) each, in pixels."""
    down, right = np.mgrid[: shape[0], : shape[1]] - np.array(shape)[:, None, None] / 2
    return right * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - right * np.sin(angle)


def ruled(shape: tuple[int, ...], squared: bool, chance: np.random.Generator) -> Plane:
    """Lines 2 pixels wide: (H, W), 0..1."""
    right, down = grid(shape, np.radians(chance.uniform(-5, 5)))
    apart = chance.uniform(30, 70)
    lines = (down % apart) < 2
    return (lines | (right % apart < 2)) * 1.0 if squared else lines * 1.0


def lit(shape: tuple[int, ...], scene: Scene, chance: np.random.Generator) -> Plane:
    """How much light falls on each pixel: (H, W), 0..1."""
    along, _ = grid(shape, chance.uniform(0, 2 * np.pi))
    light = 1 - chance.uniform(*scene.slope) * (along - along.min()) / np.ptp(along)
    right, down = grid(shape, 0)
    light *= 1 - chance.uniform(*scene.vignette) * (right**2 + down**2) / (right**2 + down**2).max()
    across, _ = grid(shape, chance.uniform(0, 2 * np.pi))
    return light * (1 - chance.uniform(*scene.shadow) * (across > chance.uniform(-250, 250)))


def around(surface: NDArray[np.float64], scene: Scene, chance: np.random.Generator) -> NDArray[np.float64]:
    """The sheet with a table around it, or a finger over a corner: (H, W, C) -> (H, W, C)."""
    height, width = surface.shape[:2]
    if scene.table is not None:
        right, down = grid(surface.shape[:2], np.radians(chance.uniform(-5, 5)))
        margins = chance.uniform(0.02, 0.1, 4) * min(height, width)
        on_table = (right < margins[0] - width / 2) | (right > width / 2 - margins[1])
        on_table |= (down < margins[2] - height / 2) | (down > height / 2 - margins[3])
        surface = np.where(on_table[..., None], chance.uniform(*scene.table) / 255, surface)
    if scene.finger:
        corner = np.array([chance.choice([-1, 1]) * width / 2, chance.choice([-1, 1]) * height / 2])
        right, down = grid(surface.shape[:2], 0)
        wide, high = chance.uniform(60, 140, 2)
        finger = ((right - corner[0]) / wide) ** 2 + ((down - corner[1]) / high) ** 2 < 1
        surface = np.where(finger[..., None], np.array([0.75, 0.5, 0.4]), surface)
    return surface


def overlap(found: Ink, true: Ink) -> float:
    """Intersection over union of two inks of one size, 0..1."""
    a, b = found >= 128, true >= 128
    return float((a & b).sum() / max(1, (a | b).sum()))


def report(name: str, count: int, model: torch.nn.Module) -> None:
    """Print what one condition comes to."""
    chance = np.random.default_rng(list(SCENES).index(name))
    right = bare = 0
    overlaps = []
    for number in range(count):
        label = number % 10
        photo = photograph(SCENES[name], label, chance)
        found = read_picture(photo.jpeg)
        right += classify(model, found).digit == label
        bare += classify(model, photo.ink).digit == label
        overlaps.append(overlap(found, photo.ink))
    print(
        f"{name:<28} {100 * right / count:6.2f} %   bare ink {100 * bare / count:6.2f} %   "
        f"overlap {statistics.median(overlaps):.2f}",
        flush=True,
    )


def report_time() -> None:
    """Print how long one photograph of 12 megapixels takes after it has been decoded to 1024 x 768."""
    chance = np.random.default_rng(0)
    seconds = []
    for number in range(20):
        photo = photograph(SCENES["everything"], number % 10, chance)
        grey = np.asarray(Image.open(io.BytesIO(photo.jpeg)).convert("L"), np.float32)
        started = process_time()
        ink_on_paper(grey)
        seconds.append(process_time() - started)
    print(f"one photograph beyond decoding: median {1000 * statistics.median(seconds):.0f} ms of one core")


def main() -> None:
    """Print what there is to measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="photographs for each condition")
    parser.add_argument("--conditions", nargs="+", choices=SCENES, default=list(SCENES))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model: Any = load_model()
    print(f"{cpu_name()}, torch {torch.__version__}")
    report_time()
    for name in arguments.conditions:
        report(name, arguments.count, model)


if __name__ == "__main__":
    main()
