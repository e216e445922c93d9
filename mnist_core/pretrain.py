"""Make the shipped network: python -m mnist_core.pretrain --strokes train_strokes.json.gz

It learns from MNIST's training images, from digits that people drew, from made digits in the styles of the world, and
from drawings that are no digit, all of them warped anew in each epoch. Kept out of the training are 5,000 of MNIST's
training images and the digits of three writers: by them, confidence and refusal are set. MNIST's test images and the
digits of six more writers are used for nothing but the numbers that benchmarks/quality.py prints.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from torch import nn

from mnist_core.calibration import calibrate
from mnist_core.config import RECIPES, TrainConfig
from mnist_core.console import checked_output, print_error, shown
from mnist_core.data import Digits, load_mnist
from mnist_core.errors import DataError, DigitPlaygroundError
from mnist_core.people import Person, by_writers, read_people, render, writers_of
from mnist_core.training import build_seeded_model, train
from mnist_core.weights import save_weights, shipped_path

KEPT_IMAGES = 5_000  # the last of MNIST's training images
KEPT_WRITERS, REPORTED_WRITERS = 3, 6  # the last of all writers, in this order
KEPT_COPIES = 6  # of each digit that a person drew, every one bent otherwise and with another pen
# The recipe's own Muon and smoothed labels, in one round of 18 epochs, did as well, and not clearly better.
TRAINING = replace(RECIPES["best"], optimizer="adamw", label_smoothing=0.0)


@dataclass(frozen=True)
class Round:
    """A round of training, for which all drawings are made anew: its length, highest learning rate and drawings."""

    epochs: int
    learning_rate: float
    copies: int  # of each digit that a person drew
    made_digits: int


# In the last two rounds there are twice as many drawings: after the first two, with two thirds of all images MNIST's, a
# one with a flag was too often taken for a seven, as MNIST's writers write it.
ROUNDS = (
    Round(10, 0.008, 3, 15_000),
    Round(7, 0.004, 3, 15_000),
    Round(9, 0.004, 6, 30_000),
    Round(5, 0.002, 6, 30_000),
)


def split_people(people: Sequence[Person]) -> tuple[list[Person], list[Person], list[Person]]:
    """People's digits to train on, to calibrate by, and to report on: no writer is in two of them.

    Raises:
        DataError: when there are too few writers for that.
    """
    writers = writers_of(people)
    fewest = 1 + KEPT_WRITERS + REPORTED_WRITERS
    if len(writers) < fewest:
        raise DataError(f"The digits of at least {fewest} writers are needed; these are of {len(writers)}.")
    kept, reported = writers[-KEPT_WRITERS - REPORTED_WRITERS : -REPORTED_WRITERS], writers[-REPORTED_WRITERS:]
    known = [writer for writer in writers if writer not in kept + reported]
    return by_writers(people, known), by_writers(people, kept), by_writers(people, reported)


def gather(people: Sequence[Person], copies: int, seed: int) -> Digits:
    """What is trained on: MNIST's digits, all of them twice, and so many copies of people's."""
    mnist = load_mnist("train")
    others = mnist.first(len(mnist) - KEPT_IMAGES)
    known, _, _ = split_people(people)
    return others.joined(others).joined(render(known, copies, seed))


def keep_out(people: Sequence[Person], seed: int) -> tuple[Digits, Digits]:
    """MNIST's digits, and people's, that are in no training: a network is calibrated by them, and chosen of several."""
    mnist = load_mnist("train")
    last = Digits(mnist.images[-KEPT_IMAGES:], mnist.labels[-KEPT_IMAGES:])
    _, kept, _ = split_people(people)
    return last, render(kept, KEPT_COPIES, seed)


def learn(model: nn.Module, people: Sequence[Person], copies: int, config: TrainConfig) -> tuple[float, float]:
    """One round of training, with material of its own, and calibration: the temperature and the constant."""
    kept = keep_out(people, config.seed)
    for _ in shown(train(model, gather(people, copies, config.seed), config, test=kept[0]), config.epochs):
        pass
    return calibrate(model.cpu(), kept)


def main(words: Sequence[str] | None = None) -> int:
    """Train, calibrate, save."""
    parser = argparse.ArgumentParser(
        "python -m mnist_core.pretrain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strokes", type=Path, required=True, help="people's digits: see models/README.md")
    parser.add_argument("--out", default=str(shipped_path()), help="where the weights go (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--epochs", type=int, help=f"of every round, instead of {', '.join(str(planned.epochs) for planned in ROUNDS)}"
    )
    arguments = parser.parse_args(words)
    try:
        out = checked_output(arguments.out)
        people = read_people(arguments.strokes)
        model = build_seeded_model(replace(TRAINING, seed=arguments.seed))
        started = perf_counter()
        for number, planned in enumerate(ROUNDS):
            config = replace(
                TRAINING,
                seed=arguments.seed + 1000 * number,
                epochs=planned.epochs if arguments.epochs is None else arguments.epochs,
                learning_rate=planned.learning_rate,
                made_digits=planned.made_digits,
            )
            temperature, constant = learn(model, people, planned.copies, config)
        save_weights(model, out)
    except DigitPlaygroundError as error:
        print_error(error)
        return 1
    print(
        f"Trained in {(perf_counter() - started) / 60:.0f} min; temperature {temperature:.2f}, constant {constant:.2f}."
    )
    print(f"The weights are saved in {out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
