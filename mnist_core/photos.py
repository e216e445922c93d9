"""Ink on photographed paper: uneven light, shadows, ruled lines and the table around the sheet are left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mnist_core.drawing import Ink
from mnist_core.parts import Mask, Numbers, Runs, connected_runs

Grey = NDArray[np.float32]  # (H, W), 0 = black, 255 = white
Contrast = NDArray[np.float32]  # (H, W), 0 = paper, towards 1 = ink that gives no light back

LEAST_CONTRAST = 0.17  # of ink to its paper; what is fainter are creases, ruled lines, the other side's print
DARKNESS = 20.0  # grey levels added before a ratio is taken: or noise in the dark would be strong contrast
BACKGROUND_SIDE = 256  # pixels, at most, of the picture in which the paper's brightness is looked for
WIDEST_STROKE = 0.2  # as a share of the picture's longer side
SMALLEST_WRITING = 0.015  # the same
SMALLEST_PART = 0.02  # as a share of the largest part's ink
MOST_PARTS = 300  # that are looked at, the largest; noise has a hundred thousand


@dataclass(frozen=True)
class Parts:
    """The connected parts of a mask, and what is known of each.

    Attributes:
        runs: where the parts lie.
        ink: (P,) the contrast that each has, summed. area, outline: (P,) pixels; the picture's border is no outline.
        edge: (P,) the share of the outline, 0..1, beyond which the picture is lighter.
        box: (P, 4) first column, first row, last column, last row. on_border: (P,) pixels on the picture's border.
    """

    runs: Runs
    ink: NDArray[np.float64]
    area: NDArray[np.float64]
    outline: NDArray[np.float64]
    edge: NDArray[np.float64]
    box: Numbers
    on_border: NDArray[np.float64]


def ink_on_paper(grey: Grey) -> Ink:
    """What is written on the paper in a photograph: dark on light, or light on dark.

    Light falls on paper unevenly, but ink gives back the same share of it everywhere. So each pixel is compared with
    the paper around it, and the threshold between ink and fainter marks is Otsu's (1979).

    Args:
        grey: (H, W) float32, 0..255.

    Returns:
        (H, W) uint8, 0 = paper, 255 = pen, with soft edges; all 0 when nothing is written.
    """
    levels, contrast = contrast_to_paper(grey)
    noise = 3 * float(np.median(np.abs(contrast)))
    marked = contrast[contrast > max(LEAST_CONTRAST / 2, noise)]
    if not marked.size:
        return np.zeros(grey.shape, np.uint8)
    threshold = max(otsu(marked), LEAST_CONTRAST, noise)
    written = writing(levels, contrast, threshold)
    if not written.any():
        return np.zeros(grey.shape, np.uint8)
    full = max(float(np.percentile(contrast[written], 60)), 1.2 * threshold)
    faint = max(0.5 * threshold, min(noise, 0.8 * threshold))
    shares = ((contrast - faint) / (full - faint)).clip(0, 1)
    return np.asarray(np.round(255 * shares * widened(written, 2)), np.uint8)


def contrast_to_paper(grey: Grey) -> tuple[Grey, Contrast]:
    """How much darker each pixel is than the paper around it, or lighter on a blackboard.

    Returns:
        levels (H, W), logarithms of the greys, or their negatives on a blackboard, so that ink is low; contrast (H, W).
    """
    picture = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    longest = max(picture.size)
    calm = picture.filter(ImageFilter.GaussianBlur(longest / 1600))
    small = calm.reduce(-(-longest // BACKGROUND_SIDE))
    levels, small_levels = (np.log(np.asarray(one, np.float32) + np.float32(DARKNESS)) for one in (calm, small))
    if is_light_on_dark(small):
        levels, small_levels = -levels, -small_levels
    paper = Image.fromarray(paper_around(small_levels)).resize(picture.size, Image.Resampling.BILINEAR)
    difference = np.asarray(paper) - levels
    difference -= np.median(difference)
    return levels, np.asarray(1 - np.exp(-difference), np.float32)


def is_light_on_dark(small: Image.Image) -> bool:
    """Whether what stands out from its surroundings is light.

    Stands out: cubed, because ink is little and far from its paper, uneven light is everywhere but near.
    """
    tiny = small.resize((max(1, small.width // 4), max(1, small.height // 4)), Image.Resampling.BOX)
    size = max(tiny.size) // 8 * 2 + 1
    around = np.asarray(tiny.filter(ImageFilter.MedianFilter(size)), np.float32)
    around = np.asarray(Image.fromarray(around).resize(small.size, Image.Resampling.BILINEAR))
    ratio = np.log(np.asarray(small, np.float32) + DARKNESS) - np.log(around + DARKNESS)
    middle = np.outer(np.hanning(small.height + 2)[1:-1], np.hanning(small.width + 2)[1:-1])
    return bool((middle * ratio**3).sum() > 0)


def paper_around(levels: Grey) -> Grey:
    """The brightness of the paper at each pixel: a closing, which fills what is dark and narrow: (H, W) -> (H, W).

    The edge of a shadow or of the table stays where it is, because it is no narrow thing. The dark side wins by a
    pixel, or a blurred edge would look like a line.
    """
    radius = max(2, round(WIDEST_STROKE * max(levels.shape) / 2))
    lightest = highest(levels, radius)
    return -highest(-lightest, radius + 1)


def highest(levels: Grey, radius: int) -> Grey:
    """The highest value in the square of 2 * radius + 1 around each pixel: (H, W) -> (H, W)."""
    for axis in (0, 1):
        width = 2 * radius + 1
        padding = [(radius, radius) if one == axis else (0, 0) for one in (0, 1)]
        levels = np.moveaxis(np.pad(levels, padding, "edge"), axis, 0)
        length, covered = levels.shape[0] - width + 1, 1
        while covered < width:  # each turn doubles how many pixels a value speaks for
            step = min(covered, width - covered)
            levels = np.maximum(levels[:-step], levels[step:])
            covered += step
        levels = np.moveaxis(levels[:length], 0, axis)
    return levels


def otsu(values: Contrast) -> float:
    """The threshold that parts values 0..1 into two classes with the greatest variance between them (Otsu, 1979)."""
    counts, edges = np.histogram(values, 128, (0, 1))
    below = np.cumsum(counts)
    sums = np.cumsum(counts * (edges[:-1] + edges[1:]) / 2)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nanargmax(np.where(below * above > 0, variance, 0)))])


def writing(levels: Grey, contrast: Contrast, threshold: float) -> Mask:
    """What somebody has written, whose parts lie near to one another: (H, W), (H, W) -> (H, W)."""
    mask = contrast > threshold
    parts = connected_parts(mask, contrast, edges(levels, contrast, threshold))
    candidates = [part for part in np.argsort(-parts.ink)[:MOST_PARTS] if is_stroke(parts, part, mask.shape)]
    if not candidates or longer_side(parts, candidates[0]) < SMALLEST_WRITING * max(mask.shape):
        return np.zeros_like(mask)
    main, rest = candidates[0], candidates[1:]
    rest = [part for part in rest if parts.ink[part] > SMALLEST_PART * parts.ink[main]]
    chosen, box = [main], parts.box[main]
    reach = longer_side(parts, main)
    while near := [part for part in rest if gap(parts.box[part], box) <= reach]:
        chosen += near
        rest = [part for part in rest if part not in near]
        box = np.concatenate([parts.box[chosen, :2].min(axis=0), parts.box[chosen, 2:].max(axis=0)])
    return parts.runs.drawn(chosen, mask.shape)


def edges(levels: Grey, contrast: Contrast, threshold: float) -> Mask:
    """Where the picture itself becomes lighter within a few pixels, and what is beyond is paper: (H, W) -> (H, W).

    Where a shadow or the table ends in a corner, the corner is narrow, and has contrast to the "paper" around it; but
    there is no edge where it was cut off, or beyond the edge it is as dark as within.
    """
    nearby = highest(levels, 6)
    dark_ground = (1 - np.exp(levels - highest(nearby, 6)) > threshold) & (contrast < threshold / 2)
    return np.asarray((1 - np.exp(levels - nearby) > 0.15 * contrast) & ~widened(dark_ground, 4))


def longer_side(parts: Parts, part: int) -> int:
    """The longer side of a part's box, in pixels."""
    return int(max(parts.box[part, 2:] - parts.box[part, :2])) + 1


def gap(box: Numbers, other: Numbers) -> int:
    """How many pixels lie between two boxes (4,), 0 when they overlap."""
    between = np.maximum(box[:2] - other[2:], other[:2] - box[2:])
    return int(max(0, between.max()))


def is_stroke(parts: Parts, part: int, shape: tuple[int, ...]) -> bool:
    """Whether a part may have been written: not a table's edge, a finger, a ruled line."""
    width, height = (parts.box[part, 2:] - parts.box[part, :2] + 1).tolist()
    if parts.edge[part] < 0.7 or (width > 8 * height and width > 0.2 * shape[1]):  # no digit is a long level line
        return False
    if not parts.on_border[part]:
        return True
    pen = 2 * parts.area[part] / parts.outline[part]  # how wide a line of this area and outline is
    spans = width >= 0.9 * shape[1] or height >= 0.9 * shape[0]
    return bool(not spans and parts.on_border[part] <= 3 * pen and pen < 0.3 * max(width, height))


def connected_parts(mask: Mask, contrast: Contrast, edge: Mask) -> Parts:
    """What hangs together in the mask, corners included, and what is known of each part."""
    height, width = mask.shape
    runs = connected_runs(mask)
    rows, starts, ends, part = runs.rows, runs.starts, runs.ends, runs.part
    count = int(part.max(initial=-1)) + 1
    lengths = ends - starts
    box = np.empty((count, 4), np.int64)
    for column, values, extreme in (
        (0, starts, np.minimum), (1, rows, np.minimum), (2, ends - 1, np.maximum), (3, rows, np.maximum)
    ):  # fmt: skip
        box[:, column] = 2**31 if extreme is np.minimum else -1
        extreme.at(box[:, column], part, values)
    outline = mask.copy()
    outline[1:-1, 1:-1] &= ~(mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:])
    outline[[0, -1]] = outline[:, [0, -1]] = False
    level = (rows == 0) | (rows == height - 1)
    on_border = np.where(level, lengths, (starts == 0) * 1 + (ends == width))

    def total(values: NDArray[np.generic]) -> NDArray[np.float64]:
        """The sum over each part: (R,) -> (P,), or (H, W) -> (P,)."""
        if values.ndim == 2:
            sums = np.zeros((height, width + 1))
            np.cumsum(values, axis=1, out=sums[:, 1:])
            values = sums[rows, ends] - sums[rows, starts]
        return np.asarray(np.bincount(part, weights=values, minlength=count), np.float64)

    around = total(outline)
    return Parts(
        runs, ink=total(contrast), area=total(lengths), outline=around,
        edge=total(outline & edge) / np.maximum(around, 1), box=box, on_border=total(on_border),
    )  # fmt: skip


def widened(mask: Mask, pixels: int) -> Mask:
    """The mask and what lies so many pixels around it, corners included: (H, W) -> (H, W)."""
    return highest(mask.astype(np.float32), pixels) > 0
