"""How soon a press of Train shows something, and how soon the network reads 99 % of the test images.

    python benchmarks/first_press.py [--recipe fast] [--runs 5]

A run is started as the page starts it, in a child process of a warm server; the page draws what has come every half
second. Prints the median of several runs, each with a seed of its own, and the machine.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from time import perf_counter, sleep

import torch

from mnist_core import RECIPES, EpochDone, TrainingRun
from mnist_core.places import warm_up
from mnist_core.processor import cpu_cores, cpu_name

GOAL = 0.99


def measure(recipe: str, seed: int) -> dict[str, float]:
    """Seconds from the press to the first weights, to the first point, to 99 % and to the end; the accuracy then."""
    run = TrainingRun(replace(RECIPES[recipe], seed=seed))
    pressed = perf_counter()
    seconds: dict[str, float] = {}
    run.start()
    while not run.is_over:
        now = perf_counter() - pressed
        if run.latest_step is not None:
            seconds.setdefault("first weights", now)
        if run.history:
            seconds.setdefault("first point", now)
        if any(isinstance(event, EpochDone) and (event.test_accuracy or 0) >= GOAL for event in list(run.history)):
            seconds.setdefault("99 %", now)
        sleep(0.002)
    if run.error:
        raise SystemExit(run.error)
    last = [event for event in run.history if isinstance(event, EpochDone)][-1]
    if (last.test_accuracy or 0) >= GOAL:
        seconds.setdefault("99 %", perf_counter() - pressed)
    return {**seconds, "end": perf_counter() - pressed, "test accuracy": last.test_accuracy or 0.0}


def main() -> None:
    """Run it several times and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=RECIPES, default="fast")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{cpu_name()}, {cpu_cores()} cores, torch {torch.__version__}; recipe {arguments.recipe}")
    warm_up()
    measure(arguments.recipe, seed=0)  # waits until the process that runs are forked from has loaded everything
    measured = [measure(arguments.recipe, seed) for seed in range(arguments.runs)]
    for name in ("first weights", "first point", "99 %", "end"):
        values = [seconds[name] for seconds in measured if name in seconds]
        if values:
            print(
                f"{name:>14}: median {statistics.median(values):.2f} s, worst {max(values):.2f} s ({len(values)} runs)"
            )
    accuracies = [100 * seconds["test accuracy"] for seconds in measured]
    print(f" test accuracy: mean {statistics.mean(accuracies):.2f} %, worst {min(accuracies):.2f} %")


if __name__ == "__main__":
    main()
