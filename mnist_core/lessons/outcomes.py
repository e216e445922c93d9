"""What may come of a broken run: how it is held against the right one, and what its numbers amount to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mnist_core.lessons import comparisons
from mnist_core.lessons.comparisons import Facts, Findings, Material
from mnist_core.messages import Message, say

AS_WELL, WORSE, NOTHING, RUNS_AWAY = "as well", "worse", "nothing", "runs away"
STEADY, JITTERS, WRONG = "steady", "jitters", "wrong"
FLAT, ONCE, GROWS = "flat", "once", "grows"
HONEST, TOO_GOOD, TOO_BAD = "honest", "too good", "too bad"


@dataclass(frozen=True)
class Comparison:
    """How a right function and its broken twin are held against each other.

    Attributes:
        compare: runs both and tells what it measures.
        question: what the visitor is asked first. outcomes: what may happen, in words, by name.
        judge: the outcome's name, from the numbers that were found.
        x, y: what the curves' axes show. result: both sides' numbers, with the names of what was found; see
        `in_percent`.
        of_shares: whether the curves are shares, 0..1. noisy: whether a mean over their points says more.
        reads_drawing: whether the visitor's drawing is what it is about.
    """

    compare: Callable[[Callable[..., Any], Callable[..., Any], Material], Facts]
    question: Message
    outcomes: Mapping[str, Message]
    judge: Callable[[Findings], str]
    x: Message
    y: Message
    result: Message
    of_shares: bool = False
    noisy: bool = False
    reads_drawing: bool = False


def judge_learning(found: Findings) -> str:
    """What became of the broken side's learning, next to the right one's."""
    highest, start = found["broken_highest_loss"], max(found["broken_first_loss"], math.log(10))
    if not math.isfinite(found["broken_loss"]) or highest > 5 * start:
        return RUNS_AWAY
    if found["broken_accuracy"] < 0.25:
        return NOTHING
    return AS_WELL if found["broken_accuracy"] > found["right_accuracy"] - 0.02 else WORSE


def judge_all_digits(found: Findings) -> str:
    """Whether the broken side has learnt to read all digits, whatever its loss did on the way."""
    if not math.isfinite(found["broken_loss"]) or found["broken_loss"] > found["broken_first_loss"]:
        return RUNS_AWAY
    if found["broken_favourite_share"] > 0.5:
        return NOTHING
    return AS_WELL if found["broken_accuracy"] > found["right_accuracy"] - 0.02 else WORSE


def judge_readings(found: Findings) -> str:
    """Whether the broken side's readings of one drawing differ by more than a tenth of a percent."""
    if found["broken_spread"] > 0.001:
        return JITTERS
    return STEADY if found["broken_digit"] == found["right_digit"] else WRONG


def judge_memory(found: Findings) -> str:
    """How the memory that the broken side holds has grown."""
    if found["broken_last"] <= 1.1 * found["right_last"]:
        return FLAT
    return ONCE if found["broken_last"] <= 1.1 * found["broken_half"] else GROWS


def judge_score(found: Findings) -> str:
    """Whether the broken side tells the accuracy on new images, to within two percent."""
    surplus = found["broken_accuracy"] - found["right_accuracy"]
    return HONEST if abs(surplus) <= 0.02 else TOO_GOOD if surplus > 0 else TOO_BAD


LEARNING = Comparison(
    comparisons.compare_steps,
    say("What becomes of the network?"),
    {
        AS_WELL: say("It learns as well."),
        WORSE: say("It learns, but worse."),
        NOTHING: say("It learns nothing."),
        RUNS_AWAY: say("Its loss shoots up."),
    },
    judge_learning,
    say("step"),
    say("loss"),
    say(
        "**Right:** loss {right_loss:.2f} at the end, {right_accuracy:.1f} % of the test images read. **Broken:** loss "
        "{broken_loss:.2f}, {broken_accuracy:.1f} %."
    ),
)
READING_ALL_DIGITS = replace(
    LEARNING,
    question=say("What can the network do in the end?"),
    outcomes={
        AS_WELL: say("Read all digits as well."),
        WORSE: say("Read all digits, but worse."),
        NOTHING: say("Hardly more than answer one digit."),
        RUNS_AWAY: say("Nothing: its loss shoots up for good."),
    },
    judge=judge_all_digits,
)
READING = Comparison(
    comparisons.compare_readings_alone,
    say("The network reads one drawing 20 times. What are its answers like?"),
    {
        STEADY: say("The same all 20 times."),
        JITTERS: say("Another one each time."),
        WRONG: say("The same wrong one all 20 times."),
    },
    judge_readings,
    say("reading"),
    say("probability in %"),
    say(
        "**Right:** a {right_digit:.0f} with {right_least:.2f} to {right_most:.2f} %. **Broken:** that "
        "{right_digit:.0f} with {broken_least:.2f} to {broken_most:.2f} %."
    ),
    of_shares=True,
    reads_drawing=True,
)
MEMORY = Comparison(
    comparisons.compare_memory,
    say("What becomes of the memory while 20 batches are tested?"),
    {
        FLAT: say("It stays as it is."),
        ONCE: say("It rises at the first batch, then stays."),
        GROWS: say("It grows with every batch."),
    },
    judge_memory,
    say("batch"),
    say("megabytes kept"),
    say("**Right:** {right_last:.1f} MB kept after the last batch. **Broken:** {broken_last:.1f} MB."),
)
SCORE = Comparison(
    comparisons.compare_scores,
    say("A large network learns from only 500 images. What accuracy does the broken test tell?"),
    {
        HONEST: say("The same as on new images."),
        TOO_GOOD: say("Too good a one."),
        TOO_BAD: say("Too bad a one."),
    },
    judge_score,
    say("epoch"),
    say("accuracy in %"),
    say("**Right:** {right_accuracy:.1f} %. **Broken:** {broken_accuracy:.1f} %."),
    of_shares=True,
)
