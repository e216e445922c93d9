"""Make the shipped network: python -m mnist_core.pretrain --strokes train_strokes.json.gz

It learns from MNIST's training images, from digits that people drew, from made digits in the styles of the world, and
from drawings that are no digit, all of them warped anew in each epoch but the last two. Kept out of the training are
5,000 of MNIST's training images and the digits of three writers: by them, confidence and refusal are set. MNIST's test
images and the digits of six more writers are used for nothing but the numbers that benchmarks/quality.py prints.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from mnist_core.augmentation import augment
from mnist_core.calibration import calibrate
from mnist_core.config import RECIPES, TrainConfig
from mnist_core.console import checked_output, print_error, shown
from mnist_core.data import Digits, load_mnist, make_loader
from mnist_core.errors import DataError, DigitPlaygroundError
from mnist_core.people import Person, by_writers, read_people, render, writers_of
from mnist_core.training import BatchDone, EpochDone, build_seeded_model, train, with_drawings
from mnist_core.weights import save_weights, shipped_path

KEPT_IMAGES = 5_000  # the last of MNIST's training images
KEPT_WRITERS, REPORTED_WRITERS = 3, 6  # the last of all writers, in this order
KEPT_COPIES = 6  # of each digit that a person drew, every one bent otherwise and with another pen
# By the recipe's own Muon and smoothed labels the loss on what is kept falls lower, but no more of it is read rightly.
TRAINING = replace(RECIPES["best"], optimizer="adamw", label_smoothing=0.0)


@dataclass(frozen=True)
class Round:
    """A round of training: its length, its highest learning rate, and the images in each of its epochs."""

    epochs: int
    learning_rate: float
    copies: int  # of each digit that a person drew
    made_digits: int
    augment: bool = True  # all images; False: a quarter of MNIST's


FIRST = Round(10, 0.008, 3, 15_000)
# Twice as many drawings: with two thirds of all images MNIST's, a one with a flag was too often taken for a seven, as
# MNIST's writers write it.
AVERAGED = Round(12, 0.003, 6, 30_000)
# A warp blurs, and what is read is not warped. But digits in photographs are turned and tilted: without any warp many
# of them are taken for no digit.
LAST = Round(2, 0.001, 6, 30_000, augment=False)
DECAY = 0.9995  # of the mean in each step: it looks back some 2,000 steps, an epoch and a third


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


def gather(people: Sequence[Person], planned: Round, seed: int) -> Digits:
    """What an epoch trains on besides made drawings: MNIST's digits, all of them twice, and copies of people's."""
    mnist = load_mnist("train")
    others = mnist.first(len(mnist) - KEPT_IMAGES)
    again = others if planned.augment else mixed(others, warped(others, seed), seed)
    known, _, _ = split_people(people)
    return others.joined(again).joined(render(known, planned.copies, seed))


def warped(digits: Digits, seed: int) -> Digits:
    """Each image as another hand might have drawn it, once and for all."""
    generator = torch.Generator().manual_seed(seed)
    parts = [augment(images.float(), generator).round().byte() for images in torch.split(digits.images, 1000)]
    return Digits(torch.cat(parts), digits.labels)


def mixed(digits: Digits, others: Digits, seed: int) -> Digits:
    """Each image from the one set or from the other, as chance will; the labels must be the same."""
    from_others = torch.rand(len(digits), generator=torch.Generator().manual_seed(seed)) < 0.5
    images = torch.where(from_others[:, None, None, None], others.images, digits.images)  # (N,) -> (N, 1, 1, 1)
    return Digits(images, digits.labels)


def keep_out(people: Sequence[Person], seed: int) -> tuple[Digits, Digits]:
    """MNIST's digits, and people's, that are in no training: a network is calibrated by them, and chosen of several."""
    mnist = load_mnist("train")
    last = Digits(mnist.images[-KEPT_IMAGES:], mnist.labels[-KEPT_IMAGES:])
    _, kept, _ = split_people(people)
    return last, render(kept, KEPT_COPIES, seed)


def planned_config(planned: Round, seed: int) -> TrainConfig:
    """How a round goes."""
    return replace(
        TRAINING,
        seed=seed,
        epochs=planned.epochs,
        learning_rate=planned.learning_rate,
        made_digits=planned.made_digits,
        augment=planned.augment,
    )


def first_round(
    model: nn.Module, people: Sequence[Person], planned: Round, seed: int, test: Digits
) -> Iterator[BatchDone | EpochDone]:
    """From nothing, with the same drawings in all epochs; the learning rate rises, and falls to nothing."""
    return train(model, gather(people, planned, seed), planned_config(planned, seed), test=test)


def averaged_round(
    model: nn.Module, people: Sequence[Person], planned: Round, seed: int, test: Digits
) -> Iterator[BatchDone | EpochDone]:
    """At a constant learning rate, with new drawings in each epoch; at its end the weights become their moving average.

    At a constant rate the weights wander about a point that they do not reach. Their mean comes nearer to it (Polyak
    and Juditsky, 1992); here it is an exponential one, from the first step on.
    """
    average = get_ema_multi_avg_fn(DECAY)  # type: ignore[no-untyped-call]
    mean = AveragedModel(model, multi_avg_fn=average)
    for epoch in range(1, planned.epochs + 1):
        config = replace(planned_config(planned, seed + 1000 * epoch), epochs=1, schedule="constant")
        for event in train(model, gather(people, planned, config.seed), config, test=test):
            if isinstance(event, BatchDone):
                mean.update_parameters(model)
                yield replace(event, epoch=epoch)
            else:
                yield replace(event, epoch=epoch, epochs=planned.epochs)
    model.load_state_dict(mean.module.state_dict())


def renew_statistics(model: nn.Module, people: Sequence[Person], planned: Round, seed: int) -> None:
    """Take batch norm's statistics anew, from a round's images before `train` warps them: as they are read.

    Those that a round leaves behind are of the weights before averaging. The model is moved to the CPU.
    """
    config = planned_config(planned, seed)
    digits = with_drawings(gather(people, planned, seed).first(config.train_images), config)
    update_bn(make_loader(digits, config.batch_size, shuffle=True, seed=seed), model.cpu())


def main(words: Sequence[str] | None = None) -> int:
    """Train, calibrate, save."""
    parser = argparse.ArgumentParser(
        "python -m mnist_core.pretrain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strokes", type=Path, required=True, help="people's digits: see models/README.md")
    parser.add_argument("--out", default=str(shipped_path()), help="where the weights go (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    usual = f"{FIRST.epochs}, {AVERAGED.epochs} and {LAST.epochs}"
    parser.add_argument("--epochs", type=int, help=f"of each round, instead of {usual}")
    arguments = parser.parse_args(words)
    try:
        out = checked_output(arguments.out)
        people = read_people(arguments.strokes)
        kept = keep_out(people, arguments.seed)
        model = build_seeded_model(replace(TRAINING, seed=arguments.seed))
        started = perf_counter()
        for begin, planned, seed in (
            (first_round, FIRST, arguments.seed),
            (averaged_round, AVERAGED, arguments.seed),
            (averaged_round, LAST, arguments.seed + 1000 * AVERAGED.epochs),
        ):
            if arguments.epochs is not None:
                planned = replace(planned, epochs=arguments.epochs)
            for _ in shown(begin(model, people, planned, seed, kept[0]), planned.epochs):
                pass
        renew_statistics(model, people, AVERAGED, arguments.seed)
        # By warped digits too, for those in photographs are turned, tilted and blurred, and are digits all the same.
        temperature, constant = calibrate(model, [*kept, warped(kept[0], arguments.seed)])
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
