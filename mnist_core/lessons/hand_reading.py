"""How well a network reads the drawings of one person, and how much so few of them can say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from mnist_core.calibration import predict_all
from mnist_core.models import takes_colours
from mnist_core.my_digits import Kept, digits_of

Z = 1.959964  # of 95 %: so many standard deviations around the mean hold 95 % of a normal distribution


@dataclass(frozen=True)
class Share:
    """So many of so many were read rightly."""

    right: int
    count: int

    @property
    def value(self) -> float | None:
        """The share, 0..1; None of nothing."""
        return self.right / self.count if self.count else None

    @property
    def likely(self) -> tuple[float, float]:
        """Between which shares the one of all that this hand could draw lies, with 95 % confidence.

        The score interval of Wilson, "Probable inference, the law of succession, and statistical inference" (1927),
        which holds for a few drawings too, and for shares of 0 and 1.
        """
        if not self.count:
            return 0.0, 1.0
        share, weight = self.right / self.count, Z**2 / self.count
        middle = (share + weight / 2) / (1 + weight)
        half = Z / (1 + weight) * math.sqrt((share * (1 - share) + weight / 4) / self.count)
        return max(0.0, middle - half), min(1.0, middle + half)


def read_kept(model: nn.Module, kept: Sequence[Kept]) -> dict[int, int | None]:
    """What the network takes each drawing for, by the drawing's number: 0..9, or None when it sees no digit."""
    if not kept:
        return {}
    logits = predict_all(model, digits_of(kept, takes_colours(model)))  # (N, 10)
    refused = logits.logsumexp(dim=1) < 0 if getattr(model, "refuses", False) else logits.new_zeros(len(logits))
    answers = zip(logits.argmax(dim=1).tolist(), refused.tolist(), strict=True)
    return {one.number: None if is_refused else answer for one, (answer, is_refused) in zip(kept, answers, strict=True)}


def share_right(answers: Mapping[int, int | None], kept: Sequence[Kept]) -> Share:
    """How many of these drawings were read as what they are, of those that there is an answer to."""
    read = [one for one in kept if one.number in answers]
    return Share(sum(answers[one.number] == one.label for one in read), len(read))
