"""Short questions by topic; their right answers come from running the code that they are about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random

from mnist_core.lessons.quiz.forward import FORWARD
from mnist_core.lessons.quiz.loop import LOOP
from mnist_core.lessons.quiz.loss import LOSS
from mnist_core.lessons.quiz.measuring import MEASURING
from mnist_core.lessons.quiz.modes import MODES
from mnist_core.lessons.quiz.networks import NETWORKS
from mnist_core.lessons.quiz.question import Choice, Kind, Question, Topic, pose

__all__ = ["TOPICS", "Choice", "Question", "Topic", "ask"]

TOPICS: dict[str, Topic] = {
    **NETWORKS,
    "forward": FORWARD,
    **LOOP,
    "modes": MODES,
    **MEASURING,
    "loss": LOSS,
}


def ask(topics: Sequence[str], count: int, chance: Random, asked_before: Collection[str] = ()) -> tuple[Question, ...]:
    """Questions from these topics, as evenly as can be, no kind twice as long as there are others.

    Args:
        topics: names of TOPICS. asked_before: kinds that are taken only when the others are used up.
    """
    left: dict[str, list[Kind]] = {}
    questions: list[Question] = []
    order = chance.sample(list(topics), len(topics))
    while len(questions) < count:
        for topic in order[: count - len(questions)]:
            if not left.get(topic):
                kinds = chance.sample(TOPICS[topic].kinds, len(TOPICS[topic].kinds))
                left[topic] = sorted(kinds, key=lambda kind: kind.__name__ not in asked_before)
            questions.append(pose(topic, left[topic].pop(), chance))
    return tuple(questions)
