"""The command line: python -m mnist_core train | evaluate | predict | export."""

from __future__ import annotations

import argparse
import copy
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from time import perf_counter
from typing import Any

from torch import nn

from mnist_core.colour import digits_for
from mnist_core.config import NAMED, NUMBERS, RECIPES, SWITCHES, WHOLE_NUMBERS, TrainConfig
from mnist_core.console import checked_output, percent, print_error, shown
from mnist_core.data import DATA_SETS, Digits, load_digits, make_loader
from mnist_core.devices import available_devices, find_device, find_precision
from mnist_core.errors import DigitPlaygroundError, DrawingError, TrainingError
from mnist_core.models import MODELS, count_parameters, model_options, takes_colours
from mnist_core.own_commands import add_export, add_own_argument, load_own
from mnist_core.parallel import Alone, joined
from mnist_core.pictures import read_picture
from mnist_core.segmentation import Reading, read_number
from mnist_core.training import EpochDone, Evaluation, build_seeded_model, check_fit, evaluate, train
from mnist_core.weights import FORMATS, load_model, save_weights

FAILED, INTERRUPTED = 1, 130  # exit codes; 130 is a shell's own for Ctrl+C


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command and return its exit code: 0, 1 after an error, 130 after Ctrl+C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # lines at once also into a pipe; any file name can be printed
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    command = build_parser().parse_args(arguments)
    try:
        code: int = command.run(command)
        return code
    except DigitPlaygroundError as error:
        print_error(error)
        return FAILED
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our lines has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's own flush at exit would complain
        return FAILED


def build_parser() -> argparse.ArgumentParser:
    """What can be said on the command line."""
    parser = argparse.ArgumentParser(prog="python -m mnist_core", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="train | evaluate | predict | export")

    training = commands.add_parser("train", help="train a network and save its weights", description=run_train.__doc__)
    training.set_defaults(run=run_train)
    training.add_argument("--recipe", choices=RECIPES, default="fast", help="settings to start from (%(default)s)")
    training.add_argument(
        "--out", default="weights.pth", metavar="FILE", help=f"{' or '.join(FORMATS)}; replaced if there (%(default)s)"
    )
    add_data_arguments(training)
    add_own_argument(training, "to learn from besides the data set")
    add_config_arguments(training)

    evaluation = commands.add_parser("evaluate", help="test a network", description=run_evaluate.__doc__)
    evaluation.set_defaults(run=run_evaluate)
    evaluation.add_argument("weights", metavar="WEIGHTS", help=f"a {' or '.join(FORMATS)} file")
    evaluation.add_argument("--device", choices=NAMED["device"], default="auto")
    add_data_arguments(evaluation)
    add_own_argument(evaluation, "to test with in place of the data set")

    prediction = commands.add_parser("predict", help="read digits in pictures", description=run_predict.__doc__)
    prediction.set_defaults(run=run_predict)
    prediction.add_argument("images", nargs="+", metavar="IMAGE", help="a picture of a digit or a number")
    prediction.add_argument("--weights", metavar="FILE", help="the network that reads (the shipped one)")

    add_export(commands)
    return parser


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """--data and --data-folder."""
    parser.add_argument("--data", choices=DATA_SETS, default="mnist", help="data set (%(default)s)")
    parser.add_argument("--data-folder", default="data", metavar="FOLDER", help="where downloads lie (%(default)s)")


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """One option for each field of TrainConfig; what is not given is absent from the result."""
    group = parser.add_argument_group("settings that replace the recipe's", argument_default=argparse.SUPPRESS)
    group.add_argument("--model", choices=MODELS)
    for name, choices in NAMED.items():
        group.add_argument(flag(name), choices=tuple(choices))
    for name, (least, most) in WHOLE_NUMBERS.items():
        group.add_argument(flag(name), type=int, metavar="N", help=f"{least:,} to {most:,}")
    for name, (low, high) in NUMBERS.items():
        group.add_argument(flag(name), type=float, metavar="X", help=f"{low:g} to {high:g}")
    for name in SWITCHES:
        group.add_argument(flag(name), action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS)
    group.add_argument(
        "--option", action="append", type=name_and_value, metavar="NAME=VALUE", dest="model_options",
        help="of the model, such as hidden_sizes=256,128 or dropout=0.2; may be given several times",
    )  # fmt: skip


def flag(name: str) -> str:
    """The option for a field: learning_rate -> --learning-rate."""
    return "--" + name.replace("_", "-")


def name_and_value(text: str) -> tuple[str, str]:
    """Both sides of NAME=VALUE."""
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as dropout=0.2")
    return name, value


def chosen_config(command: argparse.Namespace) -> TrainConfig:
    """The recipe with the given settings put in.

    Raises:
        ConfigError: names the setting, its value and the bound.
    """
    recipe = RECIPES[command.recipe]
    given = {field.name: getattr(command, field.name) for field in fields(TrainConfig) if field.name in command}
    model = given.get("model", recipe.model)
    options = dict(recipe.model_options) if model == recipe.model else model_options(model)
    options |= {name: as_type_of(options.get(name), value) for name, value in given.get("model_options", ())}
    cannot_refuse = {} if options.get("refuses") else {"non_digits": 0}
    return replace(recipe, **cannot_refuse | given | {"model_options": options})


def as_type_of(default: object, text: str) -> Any:
    """`text` as a value of the type that the option's default has, or as it is: then TrainConfig says what is wrong."""
    try:
        if isinstance(default, tuple):
            return tuple(int(number) for number in text.split(",")) if text else ()
        if isinstance(default, bool):
            return {"true": True, "false": False}.get(text.lower(), text)
        return text if default is None else type(default)(text)  # type: ignore[call-arg]
    except ValueError:
        return text


def run_train(command: argparse.Namespace) -> int:
    """Train a network and save its weights; Ctrl+C stops early and saves what has been learnt.

    Under torchrun several processes do so together.
    """
    config = chosen_config(command)
    with joined(config.device) as team:
        if team.rank:
            return help_train(command, config, team)
        return train_and_save(command, config, team)


def help_train(command: argparse.Namespace, config: TrainConfig, team: Alone) -> int:
    """Be one of the processes that train together with the first one, which tells and saves."""
    digits, test, config = load_material(command, config, team)
    for _ in team.follow(train(build_seeded_model(config), digits, config, test=test, team=team)):
        pass
    return 0


def load_material(command: argparse.Namespace, config: TrainConfig, team: Alone) -> tuple[Digits, Digits, TrainConfig]:
    """The images to learn from, those to test with, and the configuration for them."""
    with team.in_turn():  # so that one downloads
        digits, test = (load_digits(command.data, split, command.data_folder) for split in ("train", "test"))
    digits = digits.first(config.train_images)
    if command.own:
        digits = digits.joined(load_own(command.own, colour=False))
        config = replace(config, train_images=None)  # or the own ones, which come last, would be cut off
    return digits, test, config


def train_and_save(command: argparse.Namespace, config: TrainConfig, team: Alone) -> int:
    """Train, tell how it goes, and save the weights, whatever ends the training."""
    out = checked_output(command.out)
    digits, test, config = load_material(command, config, team)
    data = f"{command.data} and own drawings" if command.own else command.data
    model = build_seeded_model(config)
    print_start(data, digits, test, model, config, team)

    started = perf_counter()
    step, last_epoch, weights = 0, None, {}
    try:
        for event in shown(team.follow(train(model, digits, config, test=test, team=team)), config.epochs):
            step = event.step
            if isinstance(event, EpochDone):
                last_epoch, weights = event, copy.deepcopy(model.state_dict())
    except (KeyboardInterrupt, BrokenPipeError):
        if not step:
            raise
        save_weights(model, out)
        print(f"Stopped after {step:,} steps. What the network has learnt so far is saved in {out}.")
        return INTERRUPTED
    except TrainingError:
        if last_epoch:
            model.load_state_dict(weights)
            save_weights(model, out)
            print(f"The training failed. The weights as they were after epoch {last_epoch.epoch} are saved in {out}.")
        elif step:
            print("The training failed before the first epoch was over; no weights were saved.")
        raise
    save_weights(model, out)
    assert last_epoch is not None
    print(f"Test accuracy {percent(last_epoch.test_accuracy)} after {perf_counter() - started:.1f} s.", end=" ")
    print(f"The weights are saved in {out}.")
    return 0


def print_start(data: str, digits: Digits, test: Digits, model: nn.Module, config: TrainConfig, team: Alone) -> None:
    """What is about to be trained, on what, and where."""
    device = find_device(config.device)
    print(f"Model: {config.model}, {count_parameters(model):,} parameters")
    precision = find_precision(config.precision, device)
    together = f", {team.size} processes" if team.size > 1 else ""
    print(f"Device: {device.type} ({available_devices()[device.type]}), precision {precision}{together}")
    colours = " in random colours" if config.colour else ""
    print(f"Data: {data}{colours}, {len(digits):,} training images and {len(test):,} test images")


def run_evaluate(command: argparse.Namespace) -> int:
    """Test a network: its loss, its accuracy, which digits it knows and which it takes for others."""
    model = load_model(command.weights)
    device = find_device(command.device)
    if command.own:
        test = load_own(command.own, colour=takes_colours(model))
    else:
        test = digits_for(model, load_digits(command.data, "test", command.data_folder))
    check_fit(model, test, "test")
    print_evaluation(evaluate(model.to(device), make_loader(test, 1000), device))
    return 0


def print_evaluation(evaluation: Evaluation) -> None:
    """Loss, accuracy, and the confusion table with the accuracy of each digit at the end of its row."""
    counts = evaluation.confusion.tolist()  # 10 x 10, by [label, answer]
    print(f"Loss {evaluation.loss:#.4g}, accuracy {percent(evaluation.accuracy)} of {sum(map(sum, counts)):,} images")
    print("Rows: what the image shows. Columns: what the network answered.")
    print("   ", *(f"{answer:>6}" for answer in range(10)), " accuracy")
    for label, row in enumerate(counts):
        share = row[label] / sum(row) if sum(row) else None
        print(f"{label:>3} ", *(f"{count:>6}" for count in row), f"{percent(share):>9}")


def run_predict(command: argparse.Namespace) -> int:
    """Read the digit, or the number, in each picture, whether it is written dark on light or light on dark."""
    shipped = load_model()
    model = shipped if command.weights is None else load_model(command.weights)
    code = 0
    for name in command.images:
        try:
            print(f"{name}: {answer(read_number(model, read_picture(name), cutter=shipped))}")
        except DrawingError as error:
            print_error(error)
            code = FAILED
    return code


def answer(reading: Reading) -> str:
    """A digit with its ten probabilities: "a 7, 97.12 %  (0: 0.000, 1: 0.001, ...)", or a number, digit by digit."""
    if reading.number is not None:
        each = ", ".join(f"{part.prediction.verdict}: {percent(part.prediction.confidence)}" for part in reading.parts)
        return f"the number {reading.number}  ({each})"
    whole = reading.whole
    if whole.digit is None:
        return whole.verdict
    shares = ", ".join(f"{digit}: {share:.3f}" for digit, share in enumerate(whole.probabilities))
    return f"{whole.verdict}, {percent(whole.confidence)}  ({shares})"


if __name__ == "__main__":
    sys.exit(main())
