"""How well the shipped network reads, refuses and knows itself.

    python benchmarks/quality.py [--strokes train_strokes.json.gz] [--weights FILE] [--seeds FILE FILE ...]

Without arguments: MNIST's test images, made digits with a seed of their own, what is refused, calibration, and how long
one answer takes on one thread. With `--strokes` (UCI's "Pen-Based Recognition of Handwritten Digits", as a list of
{"label", "writer", "strokes": [[[x, y], ...], ...]}) also digits of six people who were in no training, drawn on a
canvas of 280 x 280 with brushes of several widths, in several sizes and places, one by one and in numbers of two and
three. With `--seeds`, weights that were made the same way from several seeds: each of them, and their mean; and, with
`--strokes`, the loss by which one of them is chosen, on digits that were neither trained on nor are reported on.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from non_digits import Chance, draw_side_by_side, kinds, on_canvas
from torch import nn

from mnist_core import Digits, Prediction, classify, evaluate, load_mnist, load_model, make_loader
from mnist_core.calibration import calibration_error, predict_all
from mnist_core.drawing import Ink
from mnist_core.folding import folded
from mnist_core.models import count_parameters
from mnist_core.people import Person, read_people
from mnist_core.pretrain import keep_out, split_people
from mnist_core.processor import cpu_name
from mnist_core.segmentation import read_number
from mnist_core.strokes import as_digits
from mnist_core.styles import make_digits
from mnist_core.training import Evaluation

BRUSHES = (8, 14, 20, 30, 40)
CHOICE_SEEDS = (100, 101, 102)  # of the drawings by which one of several networks is chosen
SIZES = (100, 220)  # pixels of the longer side of the line that the pen follows, smallest and largest
Answers = list[tuple[int, Prediction]]  # label and answer


def percent(count: float, total: float) -> str:
    """A share in percent, with the counts that it comes from."""
    return f"{100 * count / total:.2f} % ({count:,.0f} of {total:,.0f})"


def draw(person: Person, brush: int, chance: Chance) -> Ink:
    """Somebody's digit on the canvas with a brush of this width."""
    return on_canvas(person.strokes, brush, chance.uniform(*SIZES), chance)


def report_mnist(model: nn.Module) -> None:
    """Accuracy, refusals and calibration on MNIST's test set."""
    test = load_mnist("test")
    logits = predict_all(model, test)
    probabilities, right = logits.softmax(dim=1).amax(dim=1).numpy(), (logits.argmax(dim=1) == test.labels).numpy()
    print(f"MNIST test set: {100 * right.mean():.2f} %, with {count_parameters(model):,} parameters")
    print(f"  expected calibration error: {100 * calibration_error(probabilities, right):.2f} %")
    if getattr(model, "refuses", False):
        print(f"  turned away as no digit: {percent(int((logits.logsumexp(dim=1) < 0).sum()), len(test))}")


def report_seeds(paths: Sequence[Path], people: Sequence[Person]) -> None:
    """MNIST's test images, and people's digits where there are any, read by networks of several seeds."""
    sets = {"MNIST": load_mnist("test")}
    for brush in BRUSHES if people else ():
        chance = np.random.default_rng(brush)
        drawings = (draw(person, brush, chance) for person in people)
        sets[f"brush {brush}"] = as_digits(drawings, [person.label for person in people])
    found = np.array(
        [[100 * evaluated(load_model(path), digits).accuracy for digits in sets.values()] for path in paths]
    )
    found = np.column_stack([found, found[:, 1:].mean(axis=1)]) if people else found  # (seeds, sets)
    names = [*sets, "all brushes"] if people else list(sets)
    print("seeds: " + ", ".join(names))
    for path, scores in zip(paths, found, strict=True):
        print(f"  {path.name}: " + ", ".join(f"{score:.2f}" for score in scores))
    print(f"  mean of {len(paths)}: " + ", ".join(f"{score:.3f}" for score in found.mean(axis=0)))


def report_choice(paths: Sequence[Path], people: Sequence[Person]) -> None:
    """What is known of networks of several seeds without their test: their loss on what was kept out of training.

    People's digits are drawn several times, and otherwise than for calibration: one drawing orders networks that are
    nearly as good as each other by chance.
    """
    kept = [keep_out(people, seed) for seed in CHOICE_SEEDS]
    mnist, drawings = kept[0][0], [drawn for _, drawn in kept]
    print("loss on what was kept out of training: MNIST, people, their mean")
    for path in paths:
        model = load_model(path)
        first, second = evaluated(model, mnist).loss, statistics.mean(evaluated(model, one).loss for one in drawings)
        print(f"  {path.name}: {first:.5f}, {second:.5f}, {(first + second) / 2:.5f}")


def evaluated(model: nn.Module, digits: Digits) -> Evaluation:
    """How well digits are read."""
    return evaluate(model, make_loader(digits, 1000), "cpu")


def report_made(model: nn.Module) -> None:
    """Digits in the styles of the world, from the generator."""
    made = make_digits(10_000, seed=1_000_000)
    print(f"made digits with a seed of their own: {100 * evaluated(model, made).accuracy:.2f} %")


def report_people(model: nn.Module, people: Sequence[Person]) -> None:
    """Accuracy for each brush width, over all and for each digit; then refusals and calibration over all brushes."""
    every: Answers = []
    for brush in BRUSHES:
        chance = np.random.default_rng(brush)
        answers = [(person.label, classify(model, draw(person, brush, chance))) for person in people]
        every += answers
        wrong = np.bincount([label for label, answer in answers if best(answer) != label], minlength=10)
        wrongly = ", ".join(f"{count} of {label}" for label, count in enumerate(wrong) if count)
        right = percent(len(people) - wrong.sum(), len(people))
        print(f"people's digits, brush {brush:>2}: {right}; wrong: {wrongly}")
    is_right = np.array([best(answer) == label for label, answer in every])
    refused = sum(answer.digit is None for _, answer in every)
    confidences = np.array([answer.probabilities.max() for _, answer in every])
    unsure = np.array([len(answer.candidates) > 1 for _, answer in every])
    print(f"  all brushes: {percent(is_right.sum(), len(every))} right; turned away: {percent(refused, len(every))}")
    print(f"  expected calibration error: {100 * calibration_error(confidences, is_right):.2f} %")
    print(f"  'not sure' of {percent(unsure.sum(), len(every))}")
    print(f"  'not sure' of those that it gets wrong: {percent(unsure[~is_right].sum(), (~is_right).sum())}")


def best(answer: Prediction) -> int:
    """The digit that comes first, whether or not the drawing was refused."""
    return int(answer.probabilities.argmax())


def report_refusals(model: nn.Module, people: Sequence[Person], fonts: Sequence[Path], count: int) -> None:
    """How much of what is clearly no digit is refused, kind by kind: taken for one digit, and for several."""
    refused = []
    for kind, draw_one in kinds(people, fonts).items():
        chance = np.random.default_rng(count)
        readings = [read_number(model, draw_one(chance)) for _ in range(count)]
        refused.append(sum(reading.whole.digit is None for reading in readings))
        also = sum(reading.whole.digit is None and reading.number is None for reading in readings)
        print(f"no digit, {kind}: {percent(refused[-1], count)} is not taken for a digit, {also:,} also for no number")
    print(f"no digit, all kinds: {percent(sum(refused), len(refused) * count)} is not taken for a digit")


def report_numbers(model: nn.Module, people: Sequence[Person], count: int) -> None:
    """Digits wrongly cut apart, and numbers of two and three digits that are read rightly."""
    chance = np.random.default_rng(7)
    cut = sum(bool(read_number(model, draw(person, int(chance.choice(BRUSHES)), chance)).parts) for person in people)
    print(f"single digits cut apart: {percent(cut, len(people))}")
    for length in (2, 3):
        drawings = [draw_side_by_side(people, length, chance) for _ in range(count)]
        right = sum(read_number(model, ink).number == number for ink, number in drawings)
        print(f"numbers of {length} digits read rightly: {percent(right, count)}")


def median_ms(work: Callable[[Ink], object], inks: Sequence[Ink]) -> float:
    """Milliseconds that `work` takes for one drawing."""
    seconds: list[float] = []
    for ink in inks:
        started = perf_counter()
        work(ink)
        seconds.append(perf_counter() - started)
    return 1000 * statistics.median(seconds)


def report_time(model: nn.Module) -> None:
    """How long one answer takes, of the network as the page asks it."""
    reader = folded(model)
    digits = make_digits(300, seed=1)
    inks = [np.kron(image, np.ones((10, 10), np.uint8)) for image in digits.images[:, 0].numpy()]
    print(f"prepare and classify: median {median_ms(lambda ink: classify(reader, ink), inks):.2f} ms on one thread")
    print(f"the same, read as a number: median {median_ms(lambda ink: read_number(reader, ink), inks):.2f} ms")


def main() -> None:
    """Print what there is to measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="the shipped ones by default")
    parser.add_argument("--seeds", type=Path, nargs="*", default=[], help="weights from several seeds")
    parser.add_argument("--strokes", type=Path, help="people's digits; left out without it")
    parser.add_argument("--fonts", type=Path, nargs="*", default=[], help="more fonts than Pillow's own, for letters")
    parser.add_argument("--count", type=int, default=1000, help="of numbers, and of each kind of non-digits")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(arguments.weights)
    print(f"{cpu_name()}, torch {torch.__version__}")
    report_time(model)
    report_mnist(model)
    report_made(model)
    everybody = read_people(arguments.strokes) if arguments.strokes else []
    people = split_people(everybody)[2] if everybody else []
    if arguments.seeds:
        if everybody:
            report_choice(arguments.seeds, everybody)
        report_seeds(arguments.seeds, people)
    if people:
        report_people(model, people)
        report_refusals(model, people, arguments.fonts, arguments.count)
        report_numbers(model, people, arguments.count)


if __name__ == "__main__":
    main()
