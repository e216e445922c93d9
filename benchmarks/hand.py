"""What "Learn my hand" brings and costs: how well a hand is read, and what is forgotten, before and after.

    python benchmarks/hand.py --strokes train_strokes.json.gz [--learnt 40] [--seeds 1]

The hands are those of the last six writers of the strokes (see models/README.md), who are in no training, and of a
child, made by the generator, who writes all digits the wrong way round. Of each hand so many drawings are learnt from,
as the page has them learnt; all its others are read before and after. It goes on from the shipped network, and from a
network of the recipe "fast". Of the shipped network is also told how many drawings that are no digit it turns away.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

from mnist_core import RECIPES, Digits, TrainConfig, evaluate, load_mnist, load_model, make_loader, train
from mnist_core.calibration import predict_all
from mnist_core.devices import cpu_name
from mnist_core.fine_tuning import begin_from, mixed, plan_fine_tuning
from mnist_core.messages import say
from mnist_core.nondigits import make_non_digits
from mnist_core.people import by_writers, read_people, render, writers_of
from mnist_core.pretrain import REPORTED_WRITERS
from mnist_core.strokes import Hand, as_digits, draw, sketch
from mnist_core.styles import STYLES
from mnist_core.training import build_seeded_model
from mnist_core.weights import load_weights

CHILD = Hand(slant=(0.0, 0.06), turn=0.04, wide=(0.75, 1.0), waves=0.012, tremors=(0, 0.004), pens=(6.0, 10.0))
CHILD_DRAWINGS, NON_DIGITS = 250, 1000


@dataclass(frozen=True)
class Outcome:
    """Shares, 0..1, before and after: of the hand's other drawings, of the test set, of non-digits turned away."""

    hand: tuple[float, float]
    test: tuple[float, float]
    turned_away: tuple[float, float]
    seconds: float


def accuracy(model: nn.Module, digits: Digits) -> float:
    """The share of digits that the model reads."""
    return evaluate(model, make_loader(digits, 500), "cpu").accuracy


def turned_away(model: nn.Module, non_digits: Digits) -> float:
    """The share of drawings that the model does not take for a digit."""
    return float((predict_all(model, non_digits).logsumexp(dim=1) < 0).float().mean())


def draw_child(seed: int) -> Digits:
    """Digits the wrong way round, each label always in the same style."""
    chance = np.random.default_rng(seed)
    ways = [int(chance.integers(len(STYLES[digit]))) for digit in range(10)]
    labels = [number % 10 for number in range(CHILD_DRAWINGS)]
    inks = [draw([line * (-1, 1) for line in sketch(STYLES[one][ways[one]], chance)], chance, CHILD) for one in labels]
    return as_digits(inks, labels)


def part(digits: Digits, chosen: Tensor) -> Digits:
    """Some of the digits."""
    return Digits(digits.images[chosen], digits.labels[chosen])


def learn(
    base: nn.Module, trained: TrainConfig | None, hand: Digits, learnt: int, seed: int, non_digits: Digits
) -> Outcome:
    """Let a network learn some drawings of a hand, and read the others before and after."""
    order = torch.randperm(len(hand), generator=torch.Generator().manual_seed(seed))
    own, others = part(hand, order[:learnt]), part(hand, order[learnt:])
    config = replace(plan_fine_tuning(base, trained, learnt), seed=seed)
    beginning = begin_from(say("it"), base, own)
    model = build_seeded_model(config)
    load_weights(beginning.weights, model)
    started = perf_counter()
    for _ in train(model, mixed(beginning, load_mnist("train"), config.train_images), config):
        pass
    seconds = perf_counter() - started
    model.eval()
    test = load_mnist("test")
    return Outcome(
        (accuracy(base, others), accuracy(model, others)),
        (accuracy(base, test), accuracy(model, test)),
        (turned_away(base, non_digits), turned_away(model, non_digits)),
        seconds,
    )


def told(name: str, outcomes: Sequence[Outcome], refuses: bool) -> str:
    """One line: the means over these outcomes, in percent."""

    def means(pairs: Sequence[tuple[float, float]]) -> str:
        before, after = (100 * statistics.mean(side) for side in zip(*pairs, strict=True))
        return f"{before:6.2f} -> {after:6.2f} %"

    columns = [means([one.hand for one in outcomes]), means([one.test for one in outcomes])]
    if refuses:
        columns.append(means([one.turned_away for one in outcomes]))
    seconds = statistics.median(one.seconds for one in outcomes)
    return f"{name:24} {'  '.join(columns)}  {seconds:5.1f} s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strokes", type=Path, required=True, help="people's digits: see models/README.md")
    parser.add_argument("--learnt", type=int, default=40, help="drawings of each hand that are learnt (%(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="choices of them, one after the other (%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    people = read_people(arguments.strokes)
    hands = {writer: render(by_writers(people, [writer]), 1, 0) for writer in writers_of(people)[-REPORTED_WRITERS:]}
    hands["child"] = draw_child(0)
    non_digits = make_non_digits(NON_DIGITS, 99)
    fast = build_seeded_model(RECIPES["fast"])
    for _ in train(fast, load_mnist("train"), RECIPES["fast"]):
        pass
    print(f"{cpu_name()}, torch {torch.__version__}, one thread, {arguments.learnt} drawings learnt of each hand")
    bases: dict[str, tuple[nn.Module, TrainConfig | None]] = {
        "shipped": (load_model(), None),
        "fast": (fast.eval(), RECIPES["fast"]),
    }
    for base_name, (base, trained) in bases.items():
        refuses = bool(getattr(base, "refuses", False))
        print(f"\n{base_name:24} its other drawings    test set{'  no digit, turned away' if refuses else ''}")
        outcomes: dict[str, list[Outcome]] = {}
        for name, hand in hands.items():
            outcomes[name] = [
                learn(base, trained, hand, arguments.learnt, seed, non_digits) for seed in range(arguments.seeds)
            ]
            print(told(name, outcomes[name], refuses), flush=True)
        people_outcomes = [one for name, listed in outcomes.items() if name != "child" for one in listed]
        print(told("the six people, mean", people_outcomes, refuses))


if __name__ == "__main__":
    main()
