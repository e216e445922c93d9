"""What a training says on the command line: a bar that moves, a line now and then, errors in one line."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mnist_core.errors import DigitPlaygroundError, WeightsError
from mnist_core.training import BatchDone, EpochDone
from mnist_core.weights import FORMATS

LINE_EVERY = 100  # batches


def shown(events: Iterable[BatchDone | EpochDone], epochs: int) -> Iterator[BatchDone | EpochDone]:
    """The events of a training, each passed on when it has been shown."""
    with tqdm(unit="batch", disable=None, dynamic_ncols=True) as bar:  # None: only on a terminal
        for event in events:
            if isinstance(event, BatchDone):
                show_batch(event, epochs, bar)
            else:
                show_epoch(event)
            yield event


def show_batch(event: BatchDone, epochs: int, bar: tqdm[Any]) -> None:
    """Move the bar on, and every 100 batches print a line."""
    bar.total = epochs * event.batches
    bar.update()
    if event.batch % LINE_EVERY == 0:
        tqdm.write(
            f"epoch {event.epoch}, batch {event.batch} of {event.batches}: loss {event.running_loss:#.4g}, "
            f"accuracy {percent(event.running_accuracy)}, {event.images / event.seconds:,.0f} images/s"
        )


def show_epoch(event: EpochDone) -> None:
    """One line about an epoch, another when the network gets no better."""
    tqdm.write(
        f"Epoch {event.epoch} of {event.epochs}: "
        f"training loss {event.train_loss:#.4g}, accuracy {percent(event.train_accuracy)}; "
        f"test loss {event.test_loss:#.4g}, accuracy {percent(event.test_accuracy)}; "
        f"{event.seconds:.1f} s + {event.test_seconds:.1f} s"
    )
    if event.stalled and event.epoch < event.epochs:
        tqdm.write("The test accuracy gets no better: you may stop here (Ctrl+C saves the weights).")


def percent(share: float | None) -> str:
    """0.98765 -> "98.77 %"."""
    return "-" if share is None else f"{100 * share:.2f} %"


def checked_output(name: str) -> Path:
    """The path of the weights to come, once it is certain that they can be written there.

    Raises:
        WeightsError: says what to change; better before the training than after it.
    """
    path = Path(name)
    if path.suffix not in FORMATS:
        raise WeightsError(f"--out is {name!r}, but it must end in {' or '.join(FORMATS)}.")
    if path.is_dir():
        raise WeightsError(f"--out is {name!r}, which is a folder. Give the name of a file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            return path
    except OSError as error:
        raise WeightsError(f"Nothing can be written to {path.parent} ({error.strerror}). Change --out.") from error


def print_error(error: DigitPlaygroundError) -> None:
    """One line to stderr, whatever the message holds."""
    print("Error:", " ".join(str(error).split()), file=sys.stderr)
