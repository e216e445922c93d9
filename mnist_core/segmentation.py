"""Several digits side by side, read as a number: the drawing is cut into digits where that explains it best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np
import torch
from torch import nn

from mnist_core.drawing import FAINTEST, Ink, Picture, Prepared, bounds, ink_of, prepare
from mnist_core.parts import label_parts
from mnist_core.prediction import Prediction, classify, predict_logits

Costs = Mapping[tuple[int, int], float]  # of joining neighbouring pieces, (first, after last), to one digit: nats

MOST_PIECES = 12  # more are joined with their neighbours
MOST_PIECES_A_DIGIT = 6
SMALLEST_PIECE = 0.02  # as a share of the largest; less is a speck
NEXT_DIGIT = 0.5  # what it costs to see one digit more, in nats: one digit is far more often drawn than several
STACKED = 0.85  # the share of a stroke's width from which on it stands above another
WIDE, WIDEST = 0.9, 5.0  # of the height; a stroke as wide may be digits that touch
NARROWEST = 0.2  # of the height: no cut is so near the end of a stroke
SLICES = 6  # for each height of a wide stroke's width
CUT = 3.0  # what it costs to cut through ink
UNSURE = 0.5  # nats: what the digits of a number may cost on the mean; beside clear ones, one may be in doubt
GAP = 10.0  # what it costs to see one digit across empty paper, for each height of the drawing that is between


@dataclass(frozen=True)
class Part:
    """One digit of a number: where it stands, (left, top, right, bottom) in pixels, and what it is."""

    box: tuple[int, int, int, int]
    prediction: Prediction

    @property
    def name(self) -> str:
        """The digit, or "?" when it cannot be told."""
        return "?" if self.prediction.digit is None else str(self.prediction.digit)


@dataclass(frozen=True)
class Reading:
    """What a drawing says.

    Attributes:
        whole: the answer when the drawing is taken for one digit.
        parts: when it is a number, its digits from left to right; otherwise none.
    """

    whole: Prediction
    parts: tuple[Part, ...]

    @property
    def number(self) -> str | None:
        """The digits of the number, "?" for one that cannot be told, or None when the drawing is no number."""
        return "".join(part.name for part in self.parts) or None


def read_number(model: nn.Module, ink: Picture, cutter: nn.Module | None = None) -> Reading:
    """Read a drawing of one digit or of several side by side.

    Args:
        ink: (H, W) uint8 of any size, 255 = pen; or in colour (H, W, 3) on black paper, see `classify`.
        cutter: the network that decides what is a digit and what is none, the model itself by default; one that does
            not `refuses` cannot tell, and then the drawing is taken for one digit.

    Raises:
        DrawingError: when `ink` is no drawing.
    """
    return Reading(classify(model, ink), read_parts(model, cut_apart(cutter or model, ink)))


def read_parts(model: nn.Module, digits: Sequence[Picture]) -> tuple[Part, ...]:
    """What the model says of each digit of a number, given as `cut_apart` returns them: which digit, not whether."""
    return tuple(Part(bounds(ink_of(one) >= FAINTEST), classify(model, one, may_refuse=False)) for one in digits)


def cut_apart(cutter: nn.Module, picture: Picture) -> tuple[Picture, ...]:
    """The digits of a number from left to right, each alone on the canvas; none when the drawing is no number.

    By the ink alone, whatever its colours; the digits have theirs, where the drawing has: (H, W) or (H, W, 3).

    Heuristic over-segmentation (LeCun, Bottou, Bengio and Haffner, 1998): the drawing is taken into more pieces than
    there may be digits, and those neighbours are joined which the network believes most to be digits.

    Raises:
        DrawingError: when `picture` is no drawing.
    """
    whole = prepare(picture)
    if whole.is_blank or not getattr(cutter, "refuses", False):
        return ()
    ink = ink_of(picture)
    pieces = take_apart(ink)
    if len(pieces) == 1:
        return ()
    costs = digit_costs(cutter, pieces, whole)
    groups = best_groups(pieces, costs, height=len(whole.stages[1].image))
    # A scribble falls into pieces too, but not into digits.
    if len(groups) == 1 or fmean(costs[group] for group in groups) > UNSURE:
        return ()
    digits = tuple(together(pieces[first:last], ink.shape) for first, last in groups)
    return digits if picture.ndim == 2 else tuple(np.where(digit[..., None] > 0, picture, 0) for digit in digits)


@dataclass(frozen=True)
class Piece:
    """Ink that is not taken apart further: (h, w), its place, and whether a cut parts it from the piece before."""

    ink: Ink
    top: int
    left: int
    is_cut: bool = False

    @property
    def middle(self) -> float:
        """The column in the middle, on the canvas."""
        return self.left + int(self.ink.shape[1]) / 2


def take_apart(ink: Ink) -> list[Piece]:
    """The connected strokes of a drawing from left to right, wide ones in slices; specks left out.

    Strokes that stand one above the other belong to one digit.
    """
    labels = label_parts(ink >= FAINTEST)
    masses = np.bincount(labels.ravel(), weights=ink.ravel())[1:]
    _, highest, _, lowest = bounds(labels > 0)
    height = lowest - highest
    strokes: list[Piece] = []
    for number in np.flatnonzero(masses >= SMALLEST_PIECE * masses.max()) + 1:
        left, top, right, bottom = bounds(labels == number)
        window = np.s_[top:bottom, left:right]
        strokes.append(Piece(np.where(labels[window] == number, ink[window], 0), top, left))
    strokes.sort(key=lambda stroke: -stroke.ink.shape[1])
    columns_of: list[list[Piece]] = []  # the widest first: what stands above or below it is added to it
    for stroke in strokes:
        below = next((column for column in columns_of if stands_above(stroke, column[0])), None)
        if below is None:
            columns_of.append([stroke])
        else:
            below.append(stroke)
    pieces = [
        piece for column in columns_of for piece in (cut(column[0], height) if len(column) == 1 else [merged(column)])
    ]
    return join_nearest(sorted(pieces, key=lambda piece: piece.middle))


def stands_above(stroke: Piece, wider: Piece) -> bool:
    """Whether nearly all of a stroke lies above or below a wider one."""
    width = int(stroke.ink.shape[1])
    right, wider_right = stroke.left + width, wider.left + int(wider.ink.shape[1])
    return min(right, wider_right) - max(stroke.left, wider.left) >= STACKED * width


def join_nearest(pieces: list[Piece]) -> list[Piece]:
    """So few pieces that all ways to join them can be tried: those whose middles lie nearest are joined first."""
    while len(pieces) > MOST_PIECES:
        at = int(np.argmin([after.middle - before.middle for before, after in pairwise(pieces)]))
        pieces[at : at + 2] = [merged(pieces[at : at + 2])]
    return pieces


def cut(piece: Piece, height: int) -> list[Piece]:
    """A piece that is wide for one digit of this height, cut into upright slices: digits that touch."""
    width = piece.ink.shape[1]
    if not WIDE * height <= width <= WIDEST * height:
        return [piece]
    margin = round(NARROWEST * height)
    count = max(2, round((width - 2 * margin) * SLICES / height))
    edges = [0, *np.linspace(margin, width - margin, count).round().astype(int).tolist(), width]
    return [
        Piece(piece.ink[:, left:right], piece.top, piece.left + left, is_cut=left > 0)
        for left, right in pairwise(edges)
    ]


def merged(pieces: Sequence[Piece]) -> Piece:
    """Pieces as one."""
    top, left = min(piece.top for piece in pieces), min(piece.left for piece in pieces)
    bottom = max(piece.top + piece.ink.shape[0] for piece in pieces)
    right = max(piece.left + piece.ink.shape[1] for piece in pieces)
    ink = np.zeros((bottom - top, right - left), np.uint8)
    for piece in pieces:
        y, x = piece.top - top, piece.left - left
        window = ink[y : y + piece.ink.shape[0], x : x + piece.ink.shape[1]]
        np.maximum(window, piece.ink, out=window)
    return Piece(ink, top, left, pieces[0].is_cut)


def together(pieces: Sequence[Piece], shape: tuple[int, ...]) -> Ink:
    """Pieces in their places on an empty canvas: (H, W)."""
    one, ink = merged(pieces), np.zeros(shape, np.uint8)
    ink[one.top : one.top + one.ink.shape[0], one.left : one.left + one.ink.shape[1]] = one.ink
    return ink


def digit_costs(cutter: nn.Module, pieces: Sequence[Piece], whole: Prepared) -> Costs:
    """-log P(it is this digit), of the most probable digit, when it may also be none, for each way to join neighbours.

    Returns:
        {(first, after last): nats}, for as many pieces as one digit may have, and for all of them.
    """
    count = len(pieces)
    spans = [(i, j) for i in range(count) for j in range(i + 1, min(i + MOST_PIECES_A_DIGIT, count) + 1)]
    spans += [(0, count)] if count > MOST_PIECES_A_DIGIT else []
    prepared = [whole if (i, j) == (0, count) else prepare(merged(pieces[i:j]).ink) for i, j in spans]
    logits = predict_logits(cutter, np.stack([one.image for one in prepared]))  # (G, 28, 28) -> (G, 10)
    none = torch.zeros(len(logits), 1)  # "no digit" has logit 0
    costs = -torch.cat([logits, none], dim=1).log_softmax(dim=1)[:, :10].amax(dim=1)  # (G, 11) -> (G,)
    return dict(zip(spans, costs.tolist(), strict=True))


def best_groups(pieces: Sequence[Piece], costs: Costs, height: int) -> list[tuple[int, int]]:
    """How to join neighbouring pieces so that the network believes most to see digits: [(first, after last), ...].

    The shortest path from the first piece to the last, where joining pieces i to j costs what `costs` say, and more
    when there is paper between them.
    """
    best: list[tuple[float, list[tuple[int, int]]]] = [(0.0, [])]
    for j in range(1, len(pieces) + 1):
        ways = []
        for i in range(j):
            if (i, j) in costs:
                extra = GAP * gaps(pieces[i:j], height) + NEXT_DIGIT * (i > 0) + CUT * (i > 0 and pieces[i].is_cut)
                ways.append((best[i][0] + costs[i, j] + extra, [*best[i][1], (i, j)]))
        best.append(min(ways))
    return best[-1][1]


def gaps(pieces: Sequence[Piece], height: int) -> float:
    """How wide the empty paper between neighbouring pieces is altogether, in heights of the drawing."""
    right, empty = pieces[0].left, 0
    for piece in pieces:
        empty += max(0, piece.left - right)
        right = max(right, piece.left + piece.ink.shape[1])
    return empty / height
