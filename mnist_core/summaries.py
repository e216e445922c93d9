"""What is kept of a run to compare it with others, and what sets their configurations apart; as CSV and JSON too."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from mnist_core.config import TrainConfig
from mnist_core.curves import Numbers, batch_curve
from mnist_core.messages import Message
from mnist_core.models import count_model_parameters
from mnist_core.runs import TrainingRun
from mnist_core.snapshots import Snapshot, thinned
from mnist_core.training import EpochDone

LONGEST_NAME = 40  # characters of a run's name
STARTS_FORMULA = re.compile(r"[=+\-@＝＋－＠]")  # spreadsheets take the wide ones too


@dataclass(frozen=True, eq=False)
class RunSummary:
    """A run as plain numbers and a few of its weights; nothing of it grows.

    Attributes:
        state: as of TrainingRun. parameters: how many numbers were learnt. last_step: the one that it has come to, or
            when it is going on, will come to.
        steps, seconds, loss: (P,) the smoothed training loss of at most MOST_POINTS batches, after so many steps and
            seconds of training.
        snapshots: the beginning, ends of epochs, and the last of all; oldest first. Empty when they were too large.
        began_from: the network that it went on from, with drawings of its visitor; None for a new network.
    """

    config: TrainConfig
    state: str
    parameters: int
    last_step: int
    epochs: tuple[EpochDone, ...]
    steps: Numbers
    seconds: Numbers
    loss: Numbers
    snapshots: tuple[Snapshot, ...]
    began_from: Message | None = None

    @property
    def best_accuracy(self) -> float | None:
        """The highest test accuracy after an epoch, 0..1; None before the first."""
        return max((epoch.test_accuracy for epoch in self.epochs if epoch.test_accuracy is not None), default=None)

    @property
    def training_seconds(self) -> float:
        """How long it has trained, tests not counted."""
        return float(self.seconds[-1]) if len(self.seconds) else 0.0

    @property
    def seconds_of_epochs(self) -> Numbers:
        """How long it had trained at the end of each epoch: (E,)."""
        return np.cumsum(np.array([epoch.seconds for epoch in self.epochs], float))

    @property
    def steps_of_epochs(self) -> Numbers:
        """How many steps it had made at the end of each epoch: (E,)."""
        return np.array([epoch.step for epoch in self.epochs], float)

    @property
    def weights_size(self) -> int:
        """The bytes that its snapshots take."""
        return sum(len(snapshot.weights) for snapshot in self.snapshots)

    def with_fewer_snapshots(self) -> RunSummary:
        """The same with half of its snapshots; the last one stays longest."""
        return replace(self, snapshots=thinned(self.snapshots) if len(self.snapshots) > 1 else ())


def summarize(run: TrainingRun) -> RunSummary:
    """What there is to keep of a run, or of the part of it that has happened."""
    curve = batch_curve(list(run.history))
    ends, along = run.epoch_snapshots, run.snapshots
    newest = along[-1:] if along and (not ends or along[-1].step > ends[-1].step) else ()
    last = run.last_batch
    planned = 0 if last is None else run.config.epochs * last.batches
    return RunSummary(
        config=run.config,
        state=run.state,
        parameters=count_model_parameters(run.config.model, **run.config.model_options),
        last_step=last.step if last and run.is_over else planned,
        epochs=tuple(run.epochs),
        steps=curve.steps,
        seconds=curve.seconds,
        loss=curve.smoothed,
        snapshots=ends + newest,
        began_from=None if run.beginning is None else run.beginning.name,
    )


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """The fields of a configuration by name, those of `model_options` among them, after the model."""
    plain = config.as_dict()
    options = plain.pop("model_options")
    return {"model": plain.pop("model"), **options, **plain}


def all_settings(configs: Iterable[TrainConfig]) -> list[str]:
    """The names of all settings that any of these configurations has, in their order."""
    return list(dict.fromkeys(name for config in configs for name in settings_of(config)))


def differing_settings(configs: Sequence[TrainConfig]) -> list[str]:
    """The names of those settings that are not the same in all configurations."""
    listed = [settings_of(config) for config in configs]
    first = listed[0] if listed else {}
    return [name for name in all_settings(configs) if any(one.get(name, ...) != first.get(name, ...) for one in listed)]


def clean_name(name: str) -> str:
    """A name as a person may give it to a run: one line without control characters, at most LONGEST_NAME long."""
    printable = "".join(character if character.isprintable() else " " for character in name)
    return " ".join(printable.split())[:LONGEST_NAME].strip()


def runs_csv(named: Sequence[tuple[str, RunSummary]]) -> str:
    """The epochs of several runs, each with its name, as CSV: a line for each epoch, with the run's name first."""
    columns = [field.name for field in fields(EpochDone)]
    settings = all_settings(summary.config for _, summary in named)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["run", *columns, *(f"config_{name}" for name in settings)])
    for name, summary in named:
        values = settings_of(summary.config)
        written = [cell(values.get(setting)) for setting in settings]
        for epoch in summary.epochs:
            writer.writerow([cell(name), *(cell(getattr(epoch, column)) for column in columns), *written])
    return text.getvalue()


def cell(value: Any) -> str:
    """A value as it stands in a CSV file; a text that a spreadsheet would take for a formula gets an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, str):
        return "'" + value if STARTS_FORMULA.match(value) else value
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def runs_json(named: Sequence[tuple[str, RunSummary]]) -> str:
    """Several runs, each with its name, as JSON; `TrainConfig(**run["config"])` makes its configuration again."""
    runs = [
        {
            "name": name,
            "state": summary.state,
            "parameters": summary.parameters,
            "best_accuracy": summary.best_accuracy,
            "training_seconds": summary.training_seconds,
            "began_from": summary.began_from,
            "config": summary.config.as_dict(),
            "epochs": [finite(asdict(epoch)) for epoch in summary.epochs],
        }
        for name, summary in named
    ]
    return json.dumps({"runs": runs}, indent=2, allow_nan=False, ensure_ascii=False)


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """The values with None, JSON's null, in place of numbers that are infinite or none."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }
